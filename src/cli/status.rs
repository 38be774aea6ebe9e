//! `llmdeck status`: one picture of a running gateway's board, for shells and scripts.
//!
//! Exit codes: 0 all is well, 1 degraded, 2 no instance can answer, 3 not reachable.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use super::args::StatusArgs;
use super::reach;
use super::report::Failure;
use super::style::Style;
use super::table::lay_out;
use crate::base::{AlertState, Board, InstanceState, InstanceView, ScalingStep};
use crate::config::Env;
use crate::deck::{DeckSource, Line};
use crate::remote::{Remote, Way, whole_seconds};

/// The exit code when nothing could be asked.
const NOT_REACHABLE: u8 = 3;
/// The word for that.
const UNREACHABLE: &str = "unreachable";
/// With --watch, how often there is a new picture at most.
const AT_MOST: Duration = Duration::from_secs(1);

/// How a pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Well,
    Degraded,
    Down,
}

impl Health {
    /// Judges a board. What somebody switched off or drains, and what stands by, is no fault.
    fn of(board: &Board) -> Self {
        let states = || board.instances.iter().map(|instance| &instance.state);
        let alert = board
            .alerts
            .iter()
            .any(|alert| alert.state == AlertState::Firing && alert.silenced.is_none());
        if !states().any(answers) {
            Self::Down
        } else if alert || states().any(is_ill) {
            Self::Degraded
        } else {
            Self::Well
        }
    }

    const fn exit_code(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Degraded => 1,
            Self::Down => 2,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Well => "all is well",
            Self::Degraded => "degraded: it answers, but something is wrong",
            Self::Down => "no instance can answer",
        }
    }
}

fn answers(state: &InstanceState) -> bool {
    match state {
        InstanceState::On | InstanceState::Failing | InstanceState::HalfOpen => true,
        // It is woken when it is needed.
        InstanceState::Standby => true,
        InstanceState::Cooling(_)
        | InstanceState::Open(_)
        | InstanceState::Held(_)
        | InstanceState::Draining
        | InstanceState::Off => false,
    }
}

fn is_ill(state: &InstanceState) -> bool {
    match state {
        InstanceState::Failing
        | InstanceState::Cooling(_)
        | InstanceState::Open(_)
        | InstanceState::HalfOpen
        | InstanceState::Held(_) => true,
        InstanceState::On
        | InstanceState::Draining
        | InstanceState::Standby
        | InstanceState::Off => false,
    }
}

/// Where the output goes.
pub(super) struct Output<'o> {
    pub(super) out: &'o mut dyn Write,
    pub(super) is_terminal: bool,
    pub(super) style: Style,
}

/// Shows the board once, or again and again until somebody wants an end.
///
/// # Errors
/// With the exit code that says how the pool is.
pub(super) async fn run(
    way: Result<Way, crate::base::Error>,
    args: &StatusArgs,
    env: &Env,
    output: &mut Output<'_>,
    end: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let connected = async {
        let way = way?;
        let place = way.place();
        let remote = Remote::connect(way, reach::visitor(true, env)).await?;
        Ok::<_, crate::base::Error>((remote, place))
    };
    let (remote, place) = match connected.await {
        Ok(connected) => connected,
        Err(error) => {
            if args.json {
                let told = json!({
                    "health": UNREACHABLE,
                    "error": { "message": error.message(), "hint": error.hint() },
                });
                writeln!(output.out, "{told}")?;
                return Err(Failure::Told(NOT_REACHABLE));
            }
            return Err(Failure::Ended(NOT_REACHABLE, error));
        }
    };
    let shown = show(&remote, &place, args, output)?;
    let health = if args.watch {
        watch(&remote, &place, args, output, end).await?
    } else {
        shown
    };
    if remote.line() != Line::Up {
        // What was seen last says nothing of now.
        return Err(Failure::Told(NOT_REACHABLE));
    }
    match health.exit_code() {
        0 => Ok(()),
        code => Err(Failure::Told(code)),
    }
}

async fn watch(
    remote: &Remote,
    place: &str,
    args: &StatusArgs,
    output: &mut Output<'_>,
    end: impl Future<Output = ()>,
) -> Result<Health, Failure> {
    let mut end = std::pin::pin!(end);
    let mut heard = remote.subscribe();
    loop {
        let next = Instant::now() + AT_MOST;
        let news = async {
            // While the line is lost the time since then is what changes.
            if remote.line() == Line::Up
                && let Err(RecvError::Closed) = heard.recv().await
            {
                return false;
            }
            sleep_until(next).await;
            while heard.try_recv().is_ok() {}
            true
        };
        tokio::select! {
            () = &mut end => return Ok(Health::of(&remote.board())),
            goes_on = news => if !goes_on {
                return Ok(Health::of(&remote.board()));
            },
        }
        show(remote, place, args, output)?;
    }
}

fn show(
    remote: &Remote,
    place: &str,
    args: &StatusArgs,
    output: &mut Output<'_>,
) -> io::Result<Health> {
    let (board, line) = (remote.board(), remote.line());
    let health = Health::of(&board);
    if args.json {
        let told = as_json(&board, health, &line, place, &remote.version());
        if args.watch {
            writeln!(output.out, "{told}")?;
        } else {
            writeln!(output.out, "{told:#}")?;
        }
        output.out.flush()?;
        return Ok(health);
    }
    let mut text = as_text(&board, health, &line, output.style);
    if args.watch && output.is_terminal {
        // From the top, over what was there before.
        let lines: Vec<String> = text
            .lines()
            .map(|line| format!("{line}\u{1b}[K\n"))
            .collect();
        text = format!("\u{1b}[H{}\u{1b}[J", lines.concat());
    } else if args.watch {
        text.push('\n');
    }
    output.out.write_all(text.as_bytes())?;
    output.out.flush()?;
    Ok(health)
}

fn as_json(board: &Board, health: Health, line: &Line, place: &str, version: &str) -> Value {
    let lost = match line {
        Line::Up => Value::Null,
        Line::Lost { since, why } => {
            json!({ "since": since.elapsed().as_secs(), "why": why })
        }
    };
    let health = match line {
        Line::Up => health.word(),
        Line::Lost { .. } => UNREACHABLE,
    };
    json!({
        "health": health,
        "gateway": { "place": place, "llmdeck": version },
        "lost": lost,
        "board": whole_seconds(serde_json::to_value(board).unwrap_or_default()),
    })
}

fn as_text(board: &Board, health: Health, line: &Line, style: Style) -> String {
    let mut text = format!("{}\n", summary(board));
    let sentence = health.sentence();
    let sentence = match health {
        Health::Well => style.good(sentence),
        Health::Degraded => style.doubtful(sentence),
        Health::Down => style.bad(sentence),
    };
    if *line == Line::Up {
        text.push_str(&sentence);
        text.push('\n');
    }
    if let Line::Lost { since, why } = line {
        let ago = since.elapsed().as_secs();
        let lost = format!("the line was lost {ago} s ago ({why}); trying again");
        text.push_str(&style.bad(&lost));
        text.push('\n');
    }
    text.push('\n');
    let mut rows = vec![HEADING.map(str::to_owned).to_vec()];
    rows.extend(board.instances.iter().map(row));
    let mut lines = lay_out(&rows).into_iter();
    if let Some(heading) = lines.next() {
        text.push_str(&style.strong(&heading));
        text.push('\n');
    }
    for (line, instance) in lines.zip(&board.instances) {
        text.push_str(&if is_ill(&instance.state) {
            style.doubtful(&line)
        } else if answers(&instance.state) {
            line
        } else {
            style.faint(&line)
        });
        text.push('\n');
    }
    for said in coming(board) {
        text.push_str(&crate::base::clean_line(&said));
        text.push('\n');
    }
    for alert in &board.alerts {
        let word = match alert.state {
            AlertState::Pending => "pending",
            AlertState::Firing => "alert",
            AlertState::Resolved => "over",
        };
        let line = format!("{word}: {}: {}", alert.rule, alert.message);
        text.push_str(&style.doubtful(&crate::base::clean_line(&line)));
        text.push('\n');
    }
    text
}

fn summary(board: &Board) -> String {
    let on = board.instances.iter().filter(|instance| instance.enabled);
    let in_flight: usize = board
        .instances
        .iter()
        .map(|instance| instance.in_flight)
        .sum();
    let permits: usize = on.clone().map(|instance| instance.permits).sum();
    format!(
        "{}/{} on, {in_flight}/{permits} in flight, queue {}/{}{}, {} requests, {} ok, {}{} up",
        on.count(),
        board.instances.len(),
        board.queue.length,
        board.queue.limit,
        match board.queue.batch {
            0 => String::new(),
            batch => format!(" ({batch} batch)"),
        },
        board.totals.total_requests,
        percent(board.totals.success_rate()),
        if board.retries.left == 0 && board.retries.limit > 0 {
            "no retries left, "
        } else {
            ""
        },
        duration(board.uptime),
    )
}

/// Says what is left for second attempts, and what scaling will do next.
fn coming(board: &Board) -> Vec<String> {
    let mut lines = Vec::new();
    for route in &board.routes {
        if let Some(hedges) = &route.hedges {
            let (name, left, limit) = (&route.name, hedges.left, hedges.limit);
            lines.push(format!("route {name}: {left} of {limit} hedges left"));
        }
    }
    let Some(scaling) = &board.scaling else {
        return lines;
    };
    let when = |step: &ScalingStep| match step.due_in {
        _ if !scaling.enabled => "scaling is off".to_owned(),
        Some(due) => format!("in {} if that stays", duration(due)),
        None => "not while that stays".to_owned(),
    };
    let cool_down = if scaling.cool_down_left.is_zero() {
        String::new()
    } else {
        format!(", cool-down {}", duration(scaling.cool_down_left))
    };
    let steps = [
        (&scaling.join, "joins above"),
        (&scaling.leave, "leaves up to"),
    ];
    for (step, what) in steps {
        if let Some(step) = step {
            lines.push(format!(
                "{} {what} a demand of {:.1}, now {:.1}: {}{cool_down}",
                step.instance,
                step.demand,
                scaling.demand,
                when(step),
            ));
        }
    }
    lines
}

const HEADING: [&str; 8] = [
    "INSTANCE",
    "TYPE",
    "STATE",
    "IN FLIGHT",
    "LAST",
    "OK",
    "REQUESTS",
    "TOK/S",
];

fn row(instance: &InstanceView) -> Vec<String> {
    let state = match &instance.state {
        InstanceState::Cooling(left) | InstanceState::Open(left) => {
            format!("{} {}", instance.state.word(), duration(*left))
        }
        other => other.word().to_owned(),
    };
    let metrics = &instance.metrics;
    vec![
        crate::base::clean_line(instance.name.as_str()),
        instance.provider_type.to_string(),
        state,
        format!("{}/{}", instance.in_flight, instance.permits),
        instance
            .last_latency
            .map_or_else(|| "-".to_owned(), duration),
        percent(metrics.success_rate()),
        metrics.total_requests.to_string(),
        format!("{:.0}", metrics.tokens_per_second),
    ]
}

fn percent(rate: Option<f64>) -> String {
    // Rounded down: 100 % means that nothing failed.
    rate.map_or_else(
        || "-".to_owned(),
        |rate| format!("{:.1} %", (rate * 1_000.0).floor() / 10.0),
    )
}

fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.2} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{
        BreakerView, ErrorKind, LlmMetrics, ProviderType, RetryView, RouteView, ScalingView,
    };

    fn board(states: &[InstanceState]) -> Board {
        let instances = states.iter().enumerate().map(|(at, state)| InstanceView {
            name: format!("i{at}").as_str().into(),
            provider_type: ProviderType::OpenAi,
            base_url: String::new(),
            models: Vec::new(),
            state: state.clone(),
            enabled: *state != InstanceState::Off,
            in_flight: 1,
            permits: 4,
            weight: 1,
            min_interval: Duration::ZERO,
            next_start_in: Duration::ZERO,
            breaker: BreakerView::default(),
            budgets: Vec::new(),
            score: None,
            last_latency: Some(Duration::from_millis(812)),
            settings: std::collections::BTreeMap::new(),
            metrics: LlmMetrics {
                total_requests: 7,
                successful_requests: 6,
                failed_requests: 1,
                ..LlmMetrics::default()
            },
        });
        Board {
            instances: instances.collect(),
            ..Board::default()
        }
    }

    #[test]
    fn the_exit_code_says_how_the_pool_is() {
        use InstanceState::{Held, Off, On, Open, Standby};
        let open = Open(Duration::from_secs(5));
        for (states, code) in [
            (vec![On, On], 0),
            (vec![On, Off, Standby], 0),
            (vec![On, open.clone()], 1),
            (vec![On, Held(ErrorKind::Auth)], 1),
            (vec![open, Off], 2),
            (vec![], 2),
        ] {
            assert_eq!(Health::of(&board(&states)).exit_code(), code, "{states:?}");
        }
    }

    #[test]
    fn the_table_lines_up_and_is_plain() {
        let board = board(&[
            InstanceState::On,
            InstanceState::Open(Duration::from_secs(28)),
        ]);
        let text = as_text(&board, Health::of(&board), &Line::Up, Style::PLAIN);
        assert_eq!(
            text,
            "2/2 on, 2/8 in flight, queue 0/0, 0 requests, - ok, 0.00 s up\n\
             degraded: it answers, but something is wrong\n\
             \n\
             INSTANCE  TYPE    STATE      IN FLIGHT  LAST    OK      REQUESTS  TOK/S\n\
             i0        openai  on         1/4        0.81 s  85.7 %  7         0\n\
             i1        openai  open 28 s  1/4        0.81 s  85.7 %  7         0\n"
        );
    }

    #[test]
    fn what_is_left_and_what_comes_next_is_told() {
        let mut board = board(&[InstanceState::On, InstanceState::Standby]);
        board.queue.length = 5;
        board.queue.batch = 2;
        board.routes = vec![RouteView {
            name: "fast".into(),
            strategy: String::new(),
            tiers: Vec::new(),
            waiting: 0,
            queue_limit: None,
            hedges: Some(RetryView {
                left: 3,
                limit: 5,
                refused: 0,
            }),
            settings: std::collections::BTreeMap::new(),
        }];
        board.scaling = Some(ScalingView {
            enabled: true,
            demand: 6.0,
            join: Some(ScalingStep {
                instance: "i1".into(),
                demand: 2.8,
                due_in: Some(Duration::from_secs(12)),
            }),
            cool_down_left: Duration::from_secs(10),
            ..ScalingView::default()
        });
        let text = as_text(&board, Health::of(&board), &Line::Up, Style::PLAIN);
        assert!(text.contains("queue 5/0 (2 batch)"), "{text}");
        assert!(
            text.ends_with(
                "route fast: 3 of 5 hedges left\n\
             i1 joins above a demand of 2.8, now 6.0: in 12 s if that stays, cool-down 10 s\n"
            ),
            "{text}"
        );
    }
}

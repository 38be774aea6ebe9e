//! What a run may cost, told before it begins: nobody's computer is loaded for money by accident.

use super::args::BenchArgs;
use super::target::Loaded;
use crate::base::{Error, ErrorKind};
use crate::bench::{Load, Plan};

/// What an answer is taken to need when nobody knows: until its first token, and each second after that.
const FIRST_TOKEN: f64 = 0.5;
const TOKENS_A_SECOND: f64 = 60.0;
/// The steps that a sweep is taken to make.
const SWEEP: [Load; 6] = [
    Load::Closed(1),
    Load::Closed(2),
    Load::Closed(4),
    Load::Closed(8),
    Load::Closed(16),
    Load::Closed(32),
];

/// Refuses to load somebody else's computer unless that was agreed to, and says what it would cost.
///
/// # Errors
/// `config`, with the estimate.
pub(super) fn agree(loaded: &Loaded, plan: &Plan, args: &BenchArgs) -> Result<(), Error> {
    let (prompt, output) = (plan.prompt.mean(), plan.output.mean());
    let remote = loaded
        .upstreams
        .iter()
        .filter(|upstream| upstream.is_remote);
    let costs: Vec<_> = remote
        .map(|upstream| (upstream, upstream.cost(prompt, output)))
        // What is known to be free may be loaded.
        .filter(|(_, cost)| *cost != Some(0.0))
        .collect();
    let Some((first, _)) = costs.first() else {
        return Ok(());
    };
    if args.yes {
        return Ok(());
    }
    let requests = requests(plan);
    let tokens = requests * (prompt + output);
    let mut all = costs.iter().map(|(_, cost)| *cost);
    // One price that is not known leaves the whole unknown.
    let dearest = all.try_fold(0.0, |most: f64, cost| cost.map(|cost| most.max(cost)));
    let price = match dearest {
        Some(each) => format!("about {:.2} US dollars", each * requests),
        None => "a sum that is not known here".to_owned(),
    };
    Err(Error::new(
        ErrorKind::Config,
        format!(
            "{} is somebody else's computer ({}): about {requests:.0} requests with {} tokens would cost {price}",
            first.name,
            first.host,
            thousands(tokens)
        ),
    )
    .with_hint("--yes does it all the same; --requests and --duration make it smaller"))
}

/// Estimates how many requests will be sent.
fn requests(plan: &Plan) -> f64 {
    let each = FIRST_TOKEN + plan.output.mean() / TOKENS_A_SECOND;
    let steps = if plan.sweep { &SWEEP[..] } else { &plan.steps };
    let of = |load: &Load| {
        let (rate, open) = match *load {
            Load::Closed(at_once) => (at_once as f64 / each, at_once as f64),
            Load::Open(rate) => (rate, 0.0),
        };
        let warm_up = plan.warm_up.as_secs_f64() * rate;
        let timed = plan
            .duration
            .map_or(f64::INFINITY, |time| time.as_secs_f64() * rate);
        let counted = plan
            .requests
            .map_or(f64::INFINITY, |requests| requests as f64);
        (warm_up + timed.min(counted) + open).ceil()
    };
    steps.iter().map(of).sum()
}

fn thousands(tokens: f64) -> String {
    match tokens {
        tokens if tokens >= 1e6 => format!("{:.1} million", tokens / 1e6),
        tokens if tokens >= 1e3 => format!("{:.0} thousand", tokens / 1e3),
        tokens => format!("{tokens:.0}"),
    }
}

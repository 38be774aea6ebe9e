//! What keeping costs: 100,000 conversations of 20 messages, listed, opened and searched; what a request pays for its row.
//! `LLMDECK_BENCH_CONVERSATIONS=1000` makes it a small one; `LLMDECK_BENCH_FOLDER=DIR` leaves it there, so that a console
//! can be started over it (`store.dir`), and takes what is there already.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_types,
    reason = "a bench prints, and stops at the first surprise"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use llmdeck::base::{
    Attempt, Change, Conversation, ConversationId, KeptMessage, Message, MessageId, MessageState,
    Outcome, Piece, RequestId, Role, Sample, title_of,
};
use llmdeck::store::{History, RequestLog, Requests, SearchLimit, Settings, Store};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

const WORDS: &str = "the of and to in is that for it as was with be by on not he his but at are this have from or had \
    an they which one you were all her she there would their we him been has when who will no more if out so up said \
    what its about than into them can only other time new some could these two may first then do any like my now over \
    such our man me even most made after also did many off before must well back through years much where your way \
    semaphore permit balancer latency token stream breaker retry queue budget window cache prompt model answer";
const CHINESE: &str = "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运笔";

fn sentence(dice: &mut SmallRng, words: &[&str], chinese: &[char]) -> String {
    if dice.random_ratio(1, 5) {
        let length = dice.random_range(20..80);
        return (0..length)
            .map(|_| chinese[dice.random_range(0..chinese.len())])
            .collect();
    }
    let length = dice.random_range(8..50);
    let picked: Vec<&str> = (0..length)
        .map(|_| words[dice.random_range(0..words.len())])
        .collect();
    picked.join(" ")
}

fn conversation(
    number: i64,
    dice: &mut SmallRng,
    words: &[&str],
    chinese: &[char],
) -> Conversation {
    let at = Timestamp::from_second(1_700_000_000 + number * 600).unwrap();
    let mut chat = Conversation::new(ConversationId::new(dice), at);
    let mut parent = None;
    for turn in 0..20_i64 {
        let role = if turn % 2 == 0 {
            Role::User
        } else {
            Role::Assistant
        };
        let mut text = sentence(dice, words, chinese);
        if number % 5000 == 77 && turn == 3 {
            text.push_str(" a rare zebra 斑马");
        }
        if turn == 0 {
            chat.title = title_of(&text);
        }
        let id = MessageId((number + 1) * 1000 + turn);
        chat.say(KeptMessage {
            id,
            parent,
            chosen: None,
            at,
            state: MessageState::Whole,
            message: Message::text(role, text),
            answer: None,
        });
        parent = Some(id);
    }
    chat
}

/// Runs something some times; prints the median and the slowest.
fn timed<T>(what: &str, times: usize, mut run: impl FnMut() -> T) -> T {
    let mut took = Vec::new();
    let mut last = None;
    for _ in 0..times {
        let begun = Instant::now();
        last = Some(run());
        took.push(begun.elapsed());
    }
    took.sort();
    let (median, most) = (took[took.len() / 2], took[took.len() - 1]);
    println!("{what:52} median {median:>10.1?}  slowest {most:>10.1?}");
    last.unwrap()
}

fn main() {
    let count: i64 = std::env::var("LLMDECK_BENCH_CONVERSATIONS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(100_000);
    let folder = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("LLMDECK_BENCH_FOLDER").map(std::path::PathBuf::from);
    let place = kept.as_deref().unwrap_or(folder.path());
    let mut dice = SmallRng::seed_from_u64(1);
    conversations(count, place, &mut dice);
    streaming(&mut dice);
    requests();
}

fn conversations(count: i64, folder: &std::path::Path, dice: &mut SmallRng) {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let chinese: Vec<char> = CHINESE.chars().collect();
    let mut history = History::open(folder, dice).unwrap();
    const AT_ONCE: i64 = 2_000;
    let begun = Instant::now();
    // What a run that was ended left goes on where it stopped: whole batches are there or not.
    let there = history.list(1, 0).unwrap().total.cast_signed();
    for batch in there / AT_ONCE..count.div_euclid(AT_ONCE).max(1) {
        if there >= count {
            break;
        }
        let dice = &mut SmallRng::seed_from_u64(batch.cast_unsigned());
        let chats: Vec<Conversation> = (0..AT_ONCE.min(count))
            .map(|number| conversation(batch * AT_ONCE + number, dice, &words, &chinese))
            .collect();
        history.put_all(&chats).unwrap();
    }
    let size = std::fs::metadata(history.path()).unwrap().len() >> 20;
    println!(
        "{count} conversations of 20 messages, {there} were there; the others written in {:.0?}, {size} MiB",
        begun.elapsed()
    );
    drop(history);
    let mut history = timed("open the file", 5, || {
        History::open(folder, &mut SmallRng::seed_from_u64(2)).unwrap()
    });
    timed("list the newest 200", 20, || history.list(200, 0).unwrap());
    let id = history.list(1, 50).unwrap().conversations[0].id;
    timed("open one", 20, || history.load(id).unwrap());
    let limit = SearchLimit {
        hits: 50,
        time: Duration::from_millis(500),
    };
    for query in [
        "zebra",
        "斑马",
        "semaphore",
        "the",
        "semaphore breaker latency",
        "\"first then\"",
        "权思",
        "国",
        "se",
        "s",
        "nowhere",
        "zzz",
        "不存在",
    ] {
        let found = timed(&format!("search '{query}'"), 9, || {
            history.search(query, limit).unwrap()
        });
        println!(
            "{:52} {} hits{}",
            "",
            found.hits.len(),
            if found.more { " and more" } else { "" }
        );
    }
}

fn streaming(dice: &mut SmallRng) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &Settings::default(), dice)
        .unwrap()
        .store;
    let chat = ConversationId(1);
    let pieces = 200_000_u32;
    let begun = Instant::now();
    for _ in 0..pieces {
        store.save(Change::Piece {
            conversation: chat,
            message: MessageId(1),
            piece: Piece::Text("token ".to_owned()),
        });
    }
    println!(
        "{:52} {:>10.1?}",
        "hand over a piece of an answer",
        begun.elapsed() / pieces
    );
}

fn requests() {
    let folder = tempfile::tempdir().unwrap();
    let sample = Arc::new(sample());
    let count = 10_000_u32;
    let log =
        RequestLog::start(Requests::open(folder.path()).unwrap(), &Settings::default()).unwrap();
    let begun = Instant::now();
    for _ in 0..count {
        log.record(Arc::clone(&sample));
    }
    println!(
        "{:52} {:>10.1?}",
        "hand over an ended request",
        begun.elapsed() / count
    );
    let other = tempfile::tempdir().unwrap();
    let mut requests = Requests::open(other.path()).unwrap();
    let batch = vec![sample; 1000];
    let begun = Instant::now();
    for _ in 0..10 {
        requests.write(&batch).unwrap();
    }
    println!(
        "{:52} {:>10.1?}",
        "write its row, on the other thread",
        begun.elapsed() / 10_000
    );
}

fn sample() -> Sample {
    let total = Duration::from_millis(1234);
    Sample {
        called_at: Timestamp::from_second(1_790_000_000).unwrap(),
        instance: Some("east".into()),
        model: Some("qwen3:8b".to_owned()),
        attempts: vec![Attempt {
            instance: "east".into(),
            model: "qwen3:8b".to_owned(),
            outcome: Outcome::Success,
            message: None,
            status: Some(200),
            started_after: Duration::ZERO,
            queued: Duration::ZERO,
            headers: Some(Duration::from_millis(80)),
            first_token: Some(Duration::from_millis(200)),
            total,
        }],
        ..Sample::new(RequestId(1), Outcome::Success, total)
    }
}

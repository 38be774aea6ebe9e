//! Stories of calling things by their names, and of keys of one's own.

use std::time::Duration;

use super::fake::{Fake, board};
use super::harness::Harness;
use crate::base::{Command, LimitKind};
use crate::console::{Keys, Settings};

#[tokio::test(start_paused = true)]
async fn a_few_letters_find_a_command_and_enter_does_it() {
    let console = Harness::start((120, 40), Fake::new(board())).await;
    console.type_str("half a question").await;
    console.press("ctrl-p").await;
    assert!(console.shows("Commands"));
    assert!(
        console.shows("send the question"),
        "what works here is first"
    );
    console.type_str("prob").await;
    assert!(console.shows("ask now whether it is there"));
    assert!(!console.shows("send the question"));
    console.press("enter").await;
    assert!(!console.shows("Commands"));
    assert_eq!(
        console.deck.commands(),
        [Command::Probe {
            instance: "openai-a".into()
        }]
    );
    assert!(console.shows("half a question"), "the draft is still there");
}

#[tokio::test(start_paused = true)]
async fn the_palette_opens_with_a_colon_and_closes_one_step_at_a_time() {
    let console = Harness::start((80, 24), Fake::new(board())).await;
    console.press("alt-2 :").await;
    assert!(console.shows("Commands"));
    console.type_str("zzzz").await;
    assert!(console.shows("nothing is called like this"));
    console.press("enter").await;
    assert!(console.shows("Commands"), "there was nothing to do");
    console.press("esc").await;
    assert!(!console.shows("Commands"));
    assert!(!console.has_ended());
}

#[tokio::test(start_paused = true)]
async fn a_paste_into_the_palette_is_looked_for_and_not_sent() {
    let console = Harness::start((80, 24), Fake::new(board())).await;
    console.press("ctrl-p").await;
    console.paste("strategy\nquit\n").await;
    assert!(console.shows("choose the balancing strategy"));
    assert!(!console.has_ended());
}

#[tokio::test(start_paused = true)]
async fn own_keys_work_and_footer_help_and_palette_name_them() {
    let mut settings = Settings::default();
    let keys = Keys(vec!["x".to_owned()]);
    let pool = settings.keys.entry("pool".to_owned()).or_default();
    pool.insert("toggle".to_owned(), keys);
    let console = Harness::start_set((120, 40), Fake::new(board()), settings).await;
    console.press("alt-2").await;
    assert!(console.shows("x on/off"), "{}", console.screen());
    console.press("?").await;
    assert!(console.shows("  x  "), "{}", console.screen());
    console.press("esc :").await;
    console.type_str("switch the").await;
    let line = "switch the instance on or off                                        x  │";
    assert!(console.shows(line), "{}", console.screen());
    console.press("esc x").await;
    assert_eq!(
        console.deck.commands(),
        [Command::Disable {
            instance: "openai-a".into()
        }]
    );
}

#[tokio::test(start_paused = true)]
async fn an_order_with_words_behind_its_name_is_for_the_selected_instance_or_for_those_it_names() {
    let console = Harness::start((120, 40), Fake::new(board())).await;
    for order in [
        "permits 8",
        "weight 3 ollama-1",
        "interval 500ms",
        "limits rpm=60 usd=none",
        "strategy auto",
        "open ollama-1",
        "silence slow 1h",
    ] {
        console.press("ctrl-p").await;
        console.type_str(order).await;
        console.press("enter").await;
        assert!(!console.shows("Commands"), "{order}\n{}", console.screen());
    }
    let (a, b) = ("openai-a", "ollama-1");
    assert_eq!(
        console.deck.commands(),
        [
            Command::SetPermits {
                instance: a.into(),
                permits: 8
            },
            Command::SetWeight {
                instance: b.into(),
                weight: 3
            },
            Command::SetMinInterval {
                instance: a.into(),
                interval: Duration::from_millis(500)
            },
            Command::SetLimit {
                instance: a.into(),
                limit: LimitKind::RequestsPerMinute,
                value: Some(60.0)
            },
            Command::SetLimit {
                instance: a.into(),
                limit: LimitKind::SpendPerDay,
                value: None
            },
            Command::SetStrategy {
                route: None,
                strategy: "auto".to_owned()
            },
            Command::ForceOpen { instance: b.into() },
            Command::SilenceAlert {
                rule: "slow".to_owned(),
                time: Duration::from_secs(3600)
            },
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_wrong_says_so_where_it_can_be_mended() {
    let console = Harness::start((120, 40), Fake::new(board())).await;
    for (order, said) in [
        ("permits eight", "'eight' is no whole number"),
        ("permits 8 nobody", "there is no instance 'nobody'"),
        ("interval fast", "'fast' is no time"),
        ("limits rmp=60", "'rmp' is no limit"),
        ("limits rpm=", "'' is neither a number nor none"),
        ("limits openai-a", "say which limits"),
        ("strategy a b c", "written in another way"),
        ("add name=b key=sk-1", "use key_env=NAME"),
    ] {
        console.press("ctrl-p").await;
        console.type_str(order).await;
        console.press("enter").await;
        assert!(console.shows(said), "{order}\n{}", console.screen());
        assert!(console.shows(order), "what was written is still there");
        console.press("backspace").await;
        assert!(!console.shows(said), "it is being mended");
        console.press("esc").await;
    }
    assert_eq!(console.deck.commands(), []);
}

#[tokio::test(start_paused = true)]
async fn an_instance_is_added_and_removed_by_order_and_the_latter_is_asked_about() {
    let console = Harness::start((80, 24), Fake::new(board())).await;
    console.press("ctrl-p").await;
    console.type_str("rem").await;
    assert!(
        console.shows("remove [instance ...]"),
        "{}",
        console.screen()
    );
    console.type_str("ove openai-a").await;
    console.press("enter").await;
    assert!(
        console.shows("cannot be taken back"),
        "{}",
        console.screen()
    );
    assert_eq!(console.deck.commands(), []);
    console.press("y ctrl-p").await;
    let long =
        "add name=b type=openai url=http://127.0.0.1:8000/v1 models=m,n permits=4 key_env=B_KEY";
    console.type_str(long).await;
    assert!(console.shows("key_env=B_KEY"), "the end is in sight");
    console.press("enter").await;
    let commands = console.deck.commands();
    let [
        Command::RemoveInstance { instance },
        Command::AddInstance { settings },
    ] = commands.as_slice()
    else {
        panic!("{commands:?}")
    };
    assert_eq!(instance.as_str(), "openai-a");
    let expected = serde_json::json!({
        "name": "b",
        "type": "openai",
        "base_url": "http://127.0.0.1:8000/v1",
        "models": ["m", "n"],
        "permits": 4,
        "key_env": "B_KEY",
    });
    assert_eq!(serde_json::Value::from(settings.expose().clone()), expected);
}

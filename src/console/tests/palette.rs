//! Stories of calling things by their names, and of keys of one's own.

use super::fake::{Fake, board};
use super::harness::Harness;
use crate::base::Command;
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

//! Stories of the list of conversations, over a real store in a folder of its own.
//!
//! The store answers from a thread, while time stands still here: what is to come is waited for by the wall clock.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::fake::{Fake, board};
use super::harness::Harness;
use crate::base::{Change, Conversation, ConversationId, Error, Found, Page};
use crate::console::theme::Theme;
use crate::console::{Archive, Context, Kept};
use crate::store::{SearchLimit, Settings, Store};

/// The store as the console sees it.
struct Shelf(Store);

impl Archive for Shelf {
    fn save(&self, change: Change) {
        self.0.save(change);
    }
    fn list(&self, limit: usize) -> BoxFuture<'static, Result<Page, Error>> {
        self.0.list(limit, 0)
    }
    fn search(&self, query: String, limit: usize) -> BoxFuture<'static, Result<Found, Error>> {
        let limit = SearchLimit {
            hits: limit,
            time: Duration::from_secs(30),
        };
        self.0.search(query, limit)
    }
    fn load(&self, id: ConversationId) -> BoxFuture<'static, Result<Option<Conversation>, Error>> {
        self.0.load(id)
    }
    fn stamp(&self) -> BoxFuture<'static, Result<i64, Error>> {
        self.0.stamp()
    }
    fn seed(&self) -> u64 {
        11
    }
    fn trouble(&self) -> BoxFuture<'static, Option<String>> {
        std::future::pending().boxed()
    }
}

/// A console and what it keeps.
struct Kitchen {
    console: Harness,
    store: Store,
    _folder: tempfile::TempDir,
}

impl Kitchen {
    async fn new() -> Self {
        Self::of_size((120, 40)).await
    }

    async fn of_size(size: (u16, u16)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut dice = SmallRng::seed_from_u64(5);
        let opened = Store::open(folder.path(), &Settings::default(), &mut dice);
        let store = opened.expect("a store").store;
        let context = Context {
            kept: Kept::by(Shelf(store.clone())),
            ..Context::default()
        };
        let deck = Fake::new(board());
        Self {
            console: Harness::start_with(size, deck, context, Theme::no_color(), false).await,
            store,
            _folder: folder,
        }
    }

    /// Asks in a conversation, and hears the answer.
    async fn asks(&self, question: &str, answer: &str) {
        let asked = self.console.ask(question).await;
        asked.started("openai-a");
        asked.says(answer);
        asked.done("openai-a");
        self.until("it is answered", |screen| screen.contains(answer))
            .await;
    }

    async fn press(&self, keys: &str) {
        self.console.press(keys).await;
    }

    async fn types(&self, text: &str) {
        self.console.type_str(text).await;
    }

    /// Waits until the screen is as it should be.
    async fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        let begun = std::time::SystemTime::now();
        loop {
            let screen = self.console.screen();
            if is_so(&screen) {
                return;
            }
            let waited = begun.elapsed().unwrap_or_default();
            assert!(waited < Duration::from_secs(30), "{what}:\n{screen}");
            std::thread::sleep(Duration::from_millis(2));
            self.console.wait(Duration::from_millis(5)).await;
        }
    }

    /// Returns the kept conversations, once they are as they should be.
    async fn kept(&self, is_so: impl Fn(&[Conversation]) -> bool) -> Vec<Conversation> {
        let begun = std::time::SystemTime::now();
        loop {
            let page = self.store.list(10, 0).await.expect("a list");
            let mut all = Vec::new();
            for summary in page.conversations {
                all.extend(self.store.load(summary.id).await.expect("it is read"));
            }
            if is_so(&all) {
                return all;
            }
            let waited = begun.elapsed().unwrap_or_default();
            assert!(waited < Duration::from_secs(30), "{all:#?}");
            std::thread::sleep(Duration::from_millis(2));
            self.console.wait(Duration::from_millis(5)).await;
        }
    }
}

/// Two conversations, the newer one about bread; the list is open, and bread is first.
async fn two() -> Kitchen {
    let kitchen = Kitchen::new().await;
    kitchen
        .asks("How is soup made?", "With water and leeks.")
        .await;
    kitchen.press("ctrl-n").await;
    kitchen
        .asks("How is bread made?", "With flour and 酵母.")
        .await;
    kitchen
        .kept(|all| all.len() == 2 && all.iter().all(|chat| chat.messages.len() == 2))
        .await;
    kitchen.press("ctrl-o").await;
    kitchen
        .until("both are listed", |screen| {
            screen.contains("Conversations")
                && screen.contains("  How is bread made? ")
                && screen.contains("How is soup made?")
        })
        .await;
    kitchen
}

#[tokio::test(start_paused = true)]
async fn a_search_narrows_as_it_is_typed_and_enter_opens() {
    let kitchen = two().await;
    kitchen.types("leek").await;
    kitchen
        .until("the line is shown", |screen| {
            screen.contains("With water and leeks.") && !screen.contains("  How is bread made? ")
        })
        .await;
    for _ in 0..4 {
        kitchen.press("backspace").await;
    }
    kitchen.types("酵").await;
    kitchen
        .until("Chinese is found", |screen| {
            screen.contains("  How is bread made? ") && !screen.contains("soup")
        })
        .await;
    kitchen.press("backspace").await;
    kitchen.types("nowhere").await;
    kitchen
        .until("nothing is found", |screen| {
            screen.contains("nothing found")
        })
        .await;
    for _ in 0.."nowhere".len() {
        kitchen.press("backspace").await;
    }
    kitchen.types("soup").await;
    kitchen
        .until("soup is found", |screen| {
            screen.contains("  How is soup made? ") && !screen.contains("  How is bread made? ")
        })
        .await;
    kitchen.press("enter").await;
    kitchen
        .until("it is opened", |screen| {
            !screen.contains("Conversations") && screen.contains("With water and leeks.")
        })
        .await;
    // It goes on where it stopped.
    let asked = kitchen.console.ask("And then?").await;
    assert_eq!(asked.request.messages.len(), 3);
    asked.says("Salt.");
    asked.done("openai-a");
    let all = kitchen
        .kept(|all| all.len() == 2 && all[0].messages.len() == 4)
        .await;
    assert_eq!(all[0].title, "How is soup made?");
}

#[tokio::test(start_paused = true)]
async fn a_conversation_gets_a_title_tags_and_a_pin() {
    let kitchen = two().await;
    kitchen.press("down").await;
    kitchen.press("alt-r ctrl-u").await;
    kitchen.types("Winter").await;
    kitchen.press("enter").await;
    kitchen
        .until("the title is there", |screen| screen.contains("Winter"))
        .await;
    kitchen.press("alt-t").await;
    kitchen.types("food warm").await;
    kitchen.press("enter").await;
    kitchen
        .until("the tags are there", |screen| {
            screen.contains("Winter #food #warm")
        })
        .await;
    kitchen.press("alt-p").await;
    kitchen
        .until("it is pinned and first", |screen| {
            let at = |text: &str| screen.find(text);
            at("* Winter").is_some() && at("* Winter") < at("  How is bread made? ")
        })
        .await;
    let all = kitchen.kept(|all| all[0].pinned).await;
    assert_eq!(all[0].title, "Winter");
    assert_eq!(all[0].tags, ["food", "warm"]);
    // What is begun and left stays as it was; no title takes the first question again.
    kitchen.press("alt-r").await;
    kitchen.types("x").await;
    kitchen.press("esc").await;
    kitchen.press("alt-r ctrl-u enter").await;
    kitchen
        .until("the question is the title", |screen| {
            screen.contains("* How is soup made? #food")
        })
        .await;
    kitchen.press("alt-p").await;
    kitchen.kept(|all| !all[1].pinned && !all[0].pinned).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_comes_back_and_the_open_one_leaves_the_screen() {
    let kitchen = two().await;
    // The first one is open behind the list.
    kitchen.press("alt-d").await;
    kitchen
        .until("it is gone", |screen| {
            !screen.contains("How is bread made?") && screen.contains("Alt-U")
        })
        .await;
    let all = kitchen.kept(|all| all.len() == 1).await;
    assert_eq!(all[0].title, "How is soup made?");
    kitchen.press("delete").await;
    kitchen
        .until("nothing is left", |screen| {
            screen.contains("nothing is kept yet")
        })
        .await;
    kitchen.press("alt-u alt-u").await;
    kitchen
        .until("both are back", |screen| {
            screen.contains("How is bread made?") && screen.contains("How is soup made?")
        })
        .await;
    kitchen.press("alt-u").await;
    kitchen
        .until("no third one", |screen| {
            screen.contains("nothing was deleted")
        })
        .await;
    kitchen.kept(|all| all.len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_fork_is_a_conversation_of_its_own() {
    let kitchen = Kitchen::new().await;
    kitchen
        .asks("How is soup made?", "With water and leeks.")
        .await;
    kitchen.asks("And bread?", "With flour.").await;
    kitchen
        .kept(|all| all.len() == 1 && all[0].messages.len() == 4)
        .await;
    kitchen.press("esc K K F").await;
    kitchen
        .until("the fork is shown", |screen| {
            screen.contains("With water") && !screen.contains("With flour.")
        })
        .await;
    kitchen.asks("And tea?", "With leaves.").await;
    let all = kitchen
        .kept(|all| all.len() == 2 && all.iter().all(|chat| chat.messages.len() == 4))
        .await;
    let forks = all.iter().filter(|chat| chat.forked_from.is_some());
    assert_eq!(forks.count(), 1);
    let said = |text: &str| {
        let has = |chat: &&Conversation| {
            chat.messages
                .iter()
                .any(|said| said.message.content.to_text() == text)
        };
        all.iter().filter(has).count()
    };
    assert_eq!(said("With water and leeks."), 2);
    assert_eq!((said("With flour."), said("With leaves.")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn its_keys_fit_into_eighty_columns_and_are_seen_at_once() {
    let kitchen = Kitchen::of_size((80, 24)).await;
    // Something is being said, which would stand where the keys are.
    kitchen.press("alt-v enter").await;
    assert!(kitchen.console.shows("mark at least two"));
    kitchen.press("esc ctrl-o").await;
    let screen = kitchen.console.screen();
    let keys = screen.lines().last().unwrap_or_default();
    let wanted = " Enter choose  Alt-r title  Alt-t tags  Alt-p pin  Alt-d delete  Esc back";
    assert!(keys.starts_with(wanted), "{screen}");
}

//! Simplified Chinese, a file for each part of the screen. One line a phrase; `{}` stands where something is put in, `{0}`
//! and `{1}` where the order differs.

mod chat;
mod health;
mod keys;
mod orders;
mod pages;
mod sentences;

/// Hands out every phrase, English and Chinese.
pub(super) fn phrases() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let parts = [
        orders::PHRASES,
        chat::PHRASES,
        keys::PHRASES,
        health::PHRASES,
        pages::PHRASES,
        sentences::PHRASES,
    ];
    parts.into_iter().flatten()
}

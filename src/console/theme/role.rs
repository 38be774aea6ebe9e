//! What a style is for. Views ask for a role and never for a colour.

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What a style is for; its name in a theme file is the same in snake case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Role { $($(#[$doc])* $name,)* }

        impl Role {
            /// Every role, in the order in which they are declared.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns its name in a theme file.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

roles! {
    /// Running text, and whatever has no better role; carries the background when one is painted.
    Text = "text",
    /// Text of less weight: units, hints, times.
    Dim = "dim",
    /// What should be found first.
    Accent = "accent",
    /// A pane's title.
    Title = "title",
    /// Frames, rules, lines of tables.
    Border = "border",
    /// The frame of the focused pane.
    BorderFocused = "border_focused",
    /// The row under the cursor in the focused pane.
    Selected = "selected",
    /// The row under the cursor in a pane without the focus.
    SelectedUnfocused = "selected_unfocused",
    /// Rows marked for a common action.
    Marked = "marked",
    /// Well: healthy, succeeded.
    Good = "good",
    /// Not well: degraded, cooling down.
    Warn = "warn",
    /// Wrong: failed, open, wrong key.
    Bad = "bad",
    /// A key that can be pressed.
    Key = "key",
    /// The line at the top.
    Header = "header",
    /// The line at the bottom.
    Footer = "footer",
    /// A word in a box: a mode, a count.
    Badge = "badge",
    /// An alert in a box.
    Alert = "alert",
    /// What tells what just happened.
    Notice = "notice",
    /// What stands in an empty input.
    Placeholder = "placeholder",
    /// A pasted piece shown as one word in the input.
    Chip = "chip",
    /// Text that a search found.
    Match = "match",
    /// The found text under the cursor.
    MatchCurrent = "match_current",
    /// The name and mark of the person.
    User = "user",
    /// The name and mark of the model.
    Assistant = "assistant",
    /// The model's reasoning.
    Reasoning = "reasoning",
    /// Calls of tools.
    Tool = "tool",
    /// Code in a line.
    Code = "code",
    /// Code in a block, where nothing more is known of it.
    CodeBlock = "code_block",
    /// The language of a code block.
    CodeLabel = "code_label",
    /// Text that is a link.
    Link = "link",
    /// A heading in an answer.
    Heading = "heading",
    /// Quoted text.
    Quote = "quote",
    /// Bullets and numbers of lists.
    Bullet = "bullet",
    /// The graph of response times.
    GraphLatency = "graph_latency",
    /// The graph of success rates.
    GraphSuccess = "graph_success",
    /// The graph of tokens per second.
    GraphTokens = "graph_tokens",
    /// The graph of the queue and other counts.
    GraphQueue = "graph_queue",
    /// Where a graph is being written.
    GraphMark = "graph_mark",
    /// The taken part of a bar.
    Bar = "bar",
    /// A bar that is taken whole.
    BarFull = "bar_full",
    /// The free part of a bar.
    BarEmpty = "bar_empty",
    /// Keywords of a language.
    SyntaxKeyword = "syntax_keyword",
    /// Strings.
    SyntaxString = "syntax_string",
    /// Comments.
    SyntaxComment = "syntax_comment",
    /// Numbers and constants.
    SyntaxNumber = "syntax_number",
    /// Names of functions and macros.
    SyntaxFunction = "syntax_function",
    /// Names of types, tags and sections.
    SyntaxType = "syntax_type",
    /// Operators and punctuation that matters.
    SyntaxOperator = "syntax_operator",
    /// Names of attributes, keys and fields.
    SyntaxAttribute = "syntax_attribute",
    /// Added lines of a diff.
    SyntaxInserted = "syntax_inserted",
    /// Removed lines of a diff.
    SyntaxDeleted = "syntax_deleted",
}

impl Role {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Finds a role by its name in a theme file.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.name() == name)
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

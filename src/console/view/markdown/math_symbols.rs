//! The tables of the formulas: commands and their signs, and what can be raised and lowered.

/// Commands that stand for a sign.
#[rustfmt::skip]
pub(super) const SYMBOLS: &[(&str, &str)] = &[
    ("alpha", "α"), ("beta", "β"), ("gamma", "γ"), ("delta", "δ"), ("epsilon", "ε"), ("varepsilon", "ε"),
    ("zeta", "ζ"), ("eta", "η"), ("theta", "θ"), ("vartheta", "ϑ"), ("iota", "ι"), ("kappa", "κ"),
    ("lambda", "λ"), ("mu", "μ"), ("nu", "ν"), ("xi", "ξ"), ("pi", "π"), ("rho", "ρ"), ("sigma", "σ"),
    ("tau", "τ"), ("upsilon", "υ"), ("phi", "φ"), ("varphi", "φ"), ("chi", "χ"), ("psi", "ψ"), ("omega", "ω"),
    ("Gamma", "Γ"), ("Delta", "Δ"), ("Theta", "Θ"), ("Lambda", "Λ"), ("Xi", "Ξ"), ("Pi", "Π"), ("Sigma", "Σ"),
    ("Phi", "Φ"), ("Psi", "Ψ"), ("Omega", "Ω"),
    ("times", "×"), ("cdot", "·"), ("div", "÷"), ("pm", "±"), ("mp", "∓"), ("ast", "∗"), ("circ", "∘"),
    ("bullet", "•"), ("oplus", "⊕"), ("otimes", "⊗"), ("odot", "⊙"), ("star", "⋆"),
    ("le", "≤"), ("leq", "≤"), ("ge", "≥"), ("geq", "≥"), ("ne", "≠"), ("neq", "≠"), ("approx", "≈"),
    ("equiv", "≡"), ("sim", "∼"), ("simeq", "≃"), ("cong", "≅"), ("propto", "∝"), ("ll", "≪"), ("gg", "≫"),
    ("lt", "<"), ("gt", ">"), ("mid", "|"), ("nmid", "∤"), ("parallel", "∥"), ("perp", "⊥"),
    ("sum", "∑"), ("prod", "∏"), ("int", "∫"), ("iint", "∬"), ("oint", "∮"), ("partial", "∂"), ("nabla", "∇"),
    ("infty", "∞"), ("prime", "′"), ("degree", "°"), ("angle", "∠"), ("hbar", "ℏ"), ("ell", "ℓ"),
    ("in", "∈"), ("notin", "∉"), ("ni", "∋"), ("subset", "⊂"), ("subseteq", "⊆"), ("supset", "⊃"),
    ("supseteq", "⊇"), ("cup", "∪"), ("cap", "∩"), ("setminus", "∖"), ("emptyset", "∅"), ("varnothing", "∅"),
    ("forall", "∀"), ("exists", "∃"), ("nexists", "∄"), ("neg", "¬"), ("lnot", "¬"), ("land", "∧"),
    ("wedge", "∧"), ("lor", "∨"), ("vee", "∨"), ("top", "⊤"), ("bot", "⊥"), ("vdash", "⊢"), ("models", "⊨"),
    ("to", "→"), ("rightarrow", "→"), ("leftarrow", "←"), ("gets", "←"), ("leftrightarrow", "↔"),
    ("Rightarrow", "⇒"), ("implies", "⇒"), ("Leftarrow", "⇐"), ("Leftrightarrow", "⇔"), ("iff", "⇔"),
    ("mapsto", "↦"), ("uparrow", "↑"), ("downarrow", "↓"), ("longrightarrow", "⟶"), ("hookrightarrow", "↪"),
    ("langle", "⟨"), ("rangle", "⟩"), ("lfloor", "⌊"), ("rfloor", "⌋"), ("lceil", "⌈"), ("rceil", "⌉"),
    ("lvert", "|"), ("rvert", "|"), ("vert", "|"), ("lVert", "‖"), ("rVert", "‖"), ("Vert", "‖"),
    ("lbrace", "{"), ("rbrace", "}"),
    ("ldots", "…"), ("cdots", "⋯"), ("dots", "…"), ("vdots", "⋮"), ("ddots", "⋱"), ("therefore", "∴"),
    ("because", "∵"), ("Re", "ℜ"), ("Im", "ℑ"), ("aleph", "ℵ"), ("dagger", "†"), ("square", "□"),
    ("blacksquare", "■"), ("checkmark", "✓"), ("quad", "  "), ("qquad", "    "), ("colon", ":"),
    ("limits", ""), ("nolimits", ""),
];

/// Functions, which are said by their names.
#[rustfmt::skip]
pub(super) const FUNCTIONS: &[&str] = &[
    "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "log", "ln",
    "lg", "exp", "min", "max", "sup", "inf", "lim", "limsup", "liminf", "det", "dim", "ker", "gcd", "deg", "arg",
    "Pr", "mod", "bmod",
];

/// Accents, as marks that combine with the letter before them.
#[rustfmt::skip]
pub(super) const ACCENTS: &[(&str, &str)] = &[
    ("hat", "\u{302}"), ("widehat", "\u{302}"), ("bar", "\u{304}"), ("overline", "\u{304}"), ("tilde", "\u{303}"),
    ("widetilde", "\u{303}"), ("vec", "\u{20d7}"), ("dot", "\u{307}"), ("ddot", "\u{308}"),
];

/// Letters with a double stroke.
#[rustfmt::skip]
pub(super) const LETTERS: &[(char, char)] = &[
    ('C', 'ℂ'), ('E', '𝔼'), ('F', '𝔽'), ('H', 'ℍ'), ('N', 'ℕ'), ('P', 'ℙ'), ('Q', 'ℚ'), ('R', 'ℝ'), ('Z', 'ℤ'),
];

/// What can be raised.
#[rustfmt::skip]
pub(super) const SUPERSCRIPTS: &[(char, char)] = &[
    ('0', '⁰'), ('1', '¹'), ('2', '²'), ('3', '³'), ('4', '⁴'), ('5', '⁵'), ('6', '⁶'), ('7', '⁷'), ('8', '⁸'),
    ('9', '⁹'), ('+', '⁺'), ('−', '⁻'), ('=', '⁼'), ('(', '⁽'), (')', '⁾'), ('′', '′'), ('∗', '*'), ('*', '*'), ('∘', '°'),
    ('a', 'ᵃ'), ('b', 'ᵇ'), ('c', 'ᶜ'), ('d', 'ᵈ'), ('e', 'ᵉ'), ('f', 'ᶠ'), ('g', 'ᵍ'), ('h', 'ʰ'), ('i', 'ⁱ'),
    ('j', 'ʲ'), ('k', 'ᵏ'), ('l', 'ˡ'), ('m', 'ᵐ'), ('n', 'ⁿ'), ('o', 'ᵒ'), ('p', 'ᵖ'), ('r', 'ʳ'), ('s', 'ˢ'),
    ('t', 'ᵗ'), ('u', 'ᵘ'), ('v', 'ᵛ'), ('w', 'ʷ'), ('x', 'ˣ'), ('y', 'ʸ'), ('z', 'ᶻ'), ('T', 'ᵀ'), ('N', 'ᴺ'),
];

/// What can be lowered.
#[rustfmt::skip]
pub(super) const SUBSCRIPTS: &[(char, char)] = &[
    ('0', '₀'), ('1', '₁'), ('2', '₂'), ('3', '₃'), ('4', '₄'), ('5', '₅'), ('6', '₆'), ('7', '₇'), ('8', '₈'),
    ('9', '₉'), ('+', '₊'), ('−', '₋'), ('=', '₌'), ('(', '₍'), (')', '₎'), ('a', 'ₐ'), ('e', 'ₑ'), ('h', 'ₕ'),
    ('i', 'ᵢ'), ('j', 'ⱼ'), ('k', 'ₖ'), ('l', 'ₗ'), ('m', 'ₘ'), ('n', 'ₙ'), ('o', 'ₒ'), ('p', 'ₚ'), ('r', 'ᵣ'),
    ('s', 'ₛ'), ('t', 'ₜ'), ('u', 'ᵤ'), ('v', 'ᵥ'), ('x', 'ₓ'),
];

//! The conversation: files, the clipboard, the editor; themes, the split, hints.

/// English and Chinese.
pub(super) const PHRASES: &[(&str, &str)] = &[
    // files, the clipboard, the editor
    ("{} cannot be written: {}", "无法写入 {}：{}"),
    (
        "what was chosen holds until you leave",
        "所选的用到退出为止",
    ),
    ("nothing to copy", "没有可复制的内容"),
    (
        "a terminal of type '{}' has no clipboard",
        "类型为 {} 的终端没有剪贴板",
    ),
    ("save the answer to a file instead", "请把回答存成文件"),
    (
        "{}B are too much to copy through the terminal, which takes {}B",
        "{}B 太多，终端最多能复制 {}B",
    ),
    (
        "copy one block of code, or save the answer to a file",
        "复制其中一段代码，或把回答存成文件",
    ),
    (
        "by OSC 52 through tmux (needs 'set -g set-clipboard on')",
        "经 tmux 用 OSC 52（需要 set -g set-clipboard on）",
    ),
    ("by OSC 52 through screen", "经 screen 用 OSC 52"),
    (
        "by OSC 52 to the terminal at your end of the SSH line",
        "用 OSC 52 到 SSH 这一端的终端",
    ),
    ("by OSC 52 to this terminal", "用 OSC 52 到本终端"),
    (
        "$VISUAL or $EDITOR names the editor",
        "编辑器由 $VISUAL 或 $EDITOR 指定",
    ),
    (
        "no file for the editor can be made: {}",
        "无法为编辑器创建文件：{}",
    ),
    (
        "the editor '{}' cannot be started: {}",
        "无法启动编辑器 {}：{}",
    ),
    ("the editor '{}' ended with {}", "编辑器 {} 结束：{}"),
    (
        "what was written cannot be read: {}",
        "无法读取所写内容：{}",
    ),
    (
        "what was written is too large for a question",
        "所写内容太长，不能作为问题",
    ),
    (
        "what was written is not UTF-8 text",
        "所写内容不是 UTF-8 文本",
    ),
    ("the line is back", "连接已恢复"),
    (
        "Go on exactly where your last answer broke off. Do not repeat anything.",
        "请从上一个回答中断的地方接着写，不要重复任何内容。",
    ),
    (
        "[the rest is too long to be shown]",
        "［其余太长，不再显示］",
    ),
    (
        "ask on, or ask again; what had come stays",
        "可继续提问或重问；已收到的内容保留",
    ),
    ("it failed", "失败"),
    (
        "cut: the program ended in the middle of it",
        "中断：程序在中途结束",
    ),
    ("another program is receiving it", "另一个程序正在接收"),
    ("no file matches {}", "没有文件匹配 {}"),
    (
        "'*' stands for any name, '**' for any folders",
        "* 代表任意名称，** 代表任意层文件夹",
    ),
    ("{} matches more than {} files", "{} 匹配的文件超过 {} 个"),
    ("name fewer of them", "请少选一些"),
    (
        "these files have more than {}B together",
        "这些文件合计超过 {}B",
    ),
    ("there is no file {}", "没有文件 {}"),
    ("{} must not be read", "{} 不允许读取"),
    ("{} cannot be read: {}", "无法读取 {}：{}"),
    ("Tab completes a path", "Tab 补全路径"),
    ("{} is a folder", "{} 是文件夹"),
    (
        "'FOLDER/*' quotes what is in it",
        "文件夹名/* 引用其中的文件",
    ),
    ("{} is not a file", "{} 不是文件"),
    ("{} is there already", "{} 已存在"),
    ("save it by another name", "请换个名称保存"),
    (
        "save it in a folder that is there and yours",
        "请存到你有权写入的现有文件夹",
    ),
    ("nothing was changed", "没有任何更改"),
    (
        "{} has {}B, and {}B is the most that is quoted",
        "{} 有 {}B，最多只能引用 {}B",
    ),
    ("quote the part that matters", "请引用要紧的部分"),
    ("{} is not text", "{} 不是文本"),
    ("only text files can be quoted", "只能引用文本文件"),
    ("too small:", "太小："),
    ("needs", "需要"),
    // themes, the split, hints
    ("theme", "主题"),
    ("choose a theme, trying each on", "选择主题，可逐个试看"),
    ("more room", "加宽"),
    ("less room", "收窄"),
    ("give this pane more room", "让此窗格更大"),
    ("give this pane less room", "让此窗格更小"),
    (
        "this pane has no neighbour here",
        "此窗格在这里没有相邻窗格",
    ),
    (
        "Theme (Space paints its background)",
        "主题（Space 填充背景）",
    ),
    (
        "dark or light, as the terminal says",
        "深色或浅色，由终端决定",
    ),
    ("the terminal's own sixteen colours", "终端自己的十六种颜色"),
    ("pastel on light", "浅底粉彩"),
    ("pastel on dark (mocha)", "深底粉彩（mocha）"),
    ("soft colours on a dark terminal", "深色终端上的柔和色彩"),
    ("bright colours at night", "夜间明亮色彩"),
    ("warm and earthy", "温暖的大地色"),
    ("as clear as it gets, on white", "白底，最清晰"),
    ("as clear as it gets, on black", "黑底，最清晰"),
    ("strong colours on a light terminal", "浅色终端上的浓烈色彩"),
    ("cool blues of the north", "北方的冷蓝"),
    (
        "sepia paper, accents darkened until they can be read",
        "旧纸色，强调色加深到清晰可读",
    ),
    ("neon over a dark city", "暗夜都市霓虹"),
    (
        "no colours: bold, dim, reverse and underline",
        "无颜色：粗体、暗淡、反白和下划线",
    ),
    (
        "{} until you leave; the config names another one",
        "{} 用到退出为止；配置中指定了另一个主题",
    ),
    ("{} from now on", "今后使用 {}"),
    ("{} until you leave", "{} 用到退出为止"),
    (
        "{} leaves the prompt; there {} copies, {} asks again, {} shows all keys",
        "{} 离开输入框；之后 {} 复制，{} 重问，{} 显示全部按键",
    ),
    (
        "{} switches an instance on or off, {} shows all of it, {} undoes",
        "{} 启用或停用实例，{} 显示其全部详情，{} 撤销更改",
    ),
    (
        "{} tells what went wrong and what to do, {} shows every attempt",
        "{} 说明哪里出错、怎么办，{} 显示每次尝试",
    ),
];

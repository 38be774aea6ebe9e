//! States, errors and what to do about them, and strategies.

/// English and Chinese.
pub(super) const PHRASES: &[(&str, &str)] = &[
    // states
    ("on", "启用"),
    ("failing", "有失败"),
    ("cooling", "冷却"),
    ("open", "熔断"),
    ("half-open", "试探"),
    ("wrong key", "密钥错误"),
    ("no quota", "额度用尽"),
    ("held", "搁置"),
    ("draining", "排空中"),
    ("standby", "待命"),
    ("off", "停用"),
    // kinds of errors
    ("not permitted", "没有权限"),
    ("quota used up", "额度用尽"),
    ("rate limited", "被限速"),
    ("overloaded", "过载"),
    ("request refused", "请求被拒"),
    ("prompt too long", "提示过长"),
    ("content filtered", "内容被过滤"),
    ("no such model", "没有此模型"),
    ("no connection in time", "连接超时"),
    ("no first token in time", "首个词元超时"),
    ("stream fell silent", "流中断无声"),
    ("network failed", "网络故障"),
    ("bad answer", "回应有误"),
    ("server failed", "服务器故障"),
    ("cancelled", "已取消"),
    ("out of time", "超过期限"),
    ("queue full", "队列已满"),
    ("no instance can answer", "没有可用实例"),
    ("wrong configuration", "配置有误"),
    // what to do about them
    (
        "check the instance's key and the variable or file it comes from",
        "检查该实例的密钥及其来源变量或文件",
    ),
    (
        "this key may not use this model or region; use another key or model",
        "此密钥无权使用该模型或地区；换一个密钥或模型",
    ),
    (
        "top up the account or wait for its reset; other instances go on",
        "充值或等待额度重置；其他实例照常工作",
    ),
    (
        "wait a little, or set lower limits for this instance",
        "稍等片刻，或为此实例设置更低的限额",
    ),
    (
        "the provider is busy; try again, or add another instance",
        "供应商繁忙；请重试，或增加实例",
    ),
    (
        "the request itself was refused; change it before sending it again",
        "请求本身被拒；修改后再发送",
    ),
    (
        "shorten the conversation, or use a model with a larger window",
        "缩短对话，或换用上下文更大的模型",
    ),
    (
        "the provider's moderation refused it; rephrase the question",
        "被供应商审核拒绝；请换个说法",
    ),
    (
        "see 'llmdeck check' for the models this instance offers",
        "用 llmdeck check 查看此实例提供的模型",
    ),
    (
        "check the address, the network and the proxy settings",
        "检查地址、网络和代理设置",
    ),
    (
        "the server may be loading the model; try again or raise timeouts.first_token",
        "服务器可能正在加载模型；请重试，或调大 timeouts.first_token",
    ),
    (
        "the server stopped sending; try again or raise timeouts.idle",
        "服务器停止发送；请重试，或调大 timeouts.idle",
    ),
    (
        "check that base_url points at the API and not at a web page or proxy",
        "检查 base_url 指向的是 API，而不是网页或代理",
    ),
    (
        "the provider failed; try again, or add another instance",
        "供应商出错；请重试，或增加实例",
    ),
    ("ask again when you like", "可随时重新提问"),
    (
        "raise the deadline, or add instances or permits",
        "放宽期限，或增加实例或并发",
    ),
    (
        "try again shortly, or add instances or permits",
        "稍后重试，或增加实例或并发",
    ),
    (
        "switch an instance on, or add one to the config",
        "启用一个实例，或在配置中增加实例",
    ),
    (
        "mend the config and try again; 'llmdeck config print' shows what is in force",
        "修正配置后重试；llmdeck config print 显示当前生效的配置",
    ),
    ("latency", "延迟"),
    ("last ok", "上次成功"),
    ("last err", "上次出错"),
    // strategies
    ("round robin", "轮流"),
    ("weighted round robin", "加权轮流"),
    ("random", "随机"),
    ("priority", "优先级"),
    ("least in flight", "最少进行中"),
    ("power of two", "二选一"),
    ("most budget", "剩余额度最多"),
    ("sticky", "粘滞"),
    ("auto", "自动"),
    ("each instance in turn", "依次轮流"),
    (
        "each in turn, more often the larger its weight",
        "依次轮流，权重越大次数越多",
    ),
    (
        "fewest requests in flight relative to permits",
        "按并发比例选进行中请求最少的",
    ),
    (
        "the less loaded of two drawn by chance",
        "随机抽两个，取负载较低的",
    ),
    (
        "least expected time, learned from what instances really do",
        "预计耗时最短，由实际表现学得",
    ),
    ("lowest output price", "输出价格最低"),
    (
        "largest share of its rate budget left",
        "剩余速率额度比例最大",
    ),
    (
        "the first tier that can take it (failover order)",
        "第一个可接收的层级（故障转移顺序）",
    ),
    ("any instance, by chance", "随机任选"),
    (
        "the instance that knows this conversation, unless it is busy",
        "认识此对话的实例，除非它正忙",
    ),
];

//! Figures in few columns. Every function says how wide its text can get, so that tables can count on it.

use std::time::Duration;

/// Writes a duration in at most 9 columns: `340 ms`, `2.1 s`, `1 m 05 s`, `3 h 20 m`, `12 d 3 h`.
pub fn duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    if micros == 0 {
        return "0 ms".to_owned();
    }
    if micros < 1_000 {
        return "<1 ms".to_owned();
    }
    if micros < 999_500 {
        let millis = (micros + 500) / 1_000;
        return format!("{millis} ms");
    }
    if micros < 59_950_000 {
        let tenths = (micros + 50_000) / 100_000;
        return format!("{}.{} s", tenths / 10, tenths % 10);
    }
    // Above a minute parts are cut, not rounded, as clocks do it.
    let seconds = duration.as_secs().max(60);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    if hours == 0 {
        format!("{minutes} m {:02} s", seconds % 60)
    } else if days == 0 {
        format!("{hours} h {:02} m", minutes % 60)
    } else if days < 100 {
        format!("{days} d {} h", hours % 24)
    } else if days < 100_000 {
        format!("{days} d")
    } else {
        ">99999 d".to_owned()
    }
}

/// Writes a count in at most 4 columns: `999`, `1.2k`, `12k`, `3.4M`, `56G`.
pub fn count(count: u64) -> String {
    const UNITS: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    if count < 1_000 {
        return count.to_string();
    }
    let mut scaled = count;
    let mut tenths = 0;
    let mut unit = "";
    for next in UNITS {
        if scaled < 1_000 {
            break;
        }
        tenths = scaled % 1_000 / 100;
        scaled /= 1_000;
        unit = next;
    }
    if scaled < 10 {
        format!("{scaled}.{tenths}{unit}")
    } else {
        format!("{scaled}{unit}")
    }
}

/// Writes a share from 0 to 1 in at most 5 columns: `100%`, `99.8%`, `7.5%`, `0%`; `-` for what is no number.
///
/// What is not all is never shown as 100 %, and what is not nothing never as 0 %.
pub fn percent(share: f64) -> String {
    if !share.is_finite() {
        return "-".to_owned();
    }
    if share <= 0.0 {
        return "0%".to_owned();
    }
    if share >= 1.0 {
        return "100%".to_owned();
    }
    let tenths = (share * 1_000.0).round().clamp(1.0, 999.0) as u32;
    if tenths.is_multiple_of(10) {
        format!("{}%", tenths / 10)
    } else {
        format!("{}.{}%", tenths / 10, tenths % 10)
    }
}

/// Writes how many in a second in at most 6 columns: `0/s`, `0.4/s`, `48/s`, `1.2k/s`; `-` for what is no number.
pub fn rate(per_second: f64) -> String {
    if !per_second.is_finite() || per_second < 0.0 {
        return "-".to_owned();
    }
    if per_second == 0.0 {
        return "0/s".to_owned();
    }
    if per_second < 0.05 {
        return "<0.1/s".to_owned();
    }
    if per_second < 9.95 {
        return format!("{per_second:.1}/s");
    }
    format!("{}/s", count(per_second.round() as u64))
}

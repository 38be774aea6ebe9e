//! What a choice costs: one acquire, one first token and one release, among 20 and among 1,000 instances, for each
//! strategy. Prints microseconds. `cargo bench --bench choice`

use llmdeck::Error;
use llmdeck::pool::StrategyKind;
use llmdeck::simulate::Choices;
use tokio::time::Instant;

#[expect(clippy::print_stdout, reason = "a bench tells its figures")]
fn main() -> Result<(), Error> {
    // Many short rounds: the best one is that in which nobody else had the processor.
    const ROUNDS: u32 = 60;
    const CHOICES: u32 = 1_000;
    println!("{:<22} {:>14} {:>14}", "strategy", "20, us", "1000, us");
    for kind in StrategyKind::ALL {
        let mut best = [f64::INFINITY; 2];
        for (best, instances) in best.iter_mut().zip([20, 1_000]) {
            let mut choices = Choices::new(kind, instances)?;
            for _ in 0..ROUNDS {
                let began = Instant::now();
                for _ in 0..CHOICES {
                    choices.once();
                }
                let each = began.elapsed().as_secs_f64() * 1e6 / f64::from(CHOICES);
                *best = f64::min(*best, each);
            }
        }
        println!("{:<22} {:>14.2} {:>14.2}", kind.as_str(), best[0], best[1]);
    }
    Ok(())
}

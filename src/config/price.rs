//! `[prices]`: prices of one's own, by model.

use std::collections::BTreeMap;

use super::findings::Findings;
use super::table::Table;
use crate::prices::PriceSettings;

/// Reads all of them; wrong ones are noted.
pub(super) fn read(
    file: &mut Table<'_>,
    findings: &mut Findings,
) -> BTreeMap<String, PriceSettings> {
    let Some(mut table) = file.take_table("prices", findings) else {
        return BTreeMap::new();
    };
    let prices = table.take_rest::<PriceSettings>(findings);
    for (model, price) in &prices {
        let rates = [Some(price.input), Some(price.output), price.cached];
        if rates
            .into_iter()
            .flatten()
            .any(|rate| !rate.is_finite() || rate < 0.0)
        {
            let value = format!(
                "{{ input = {}, output = {}, ... }}",
                price.input, price.output
            );
            let right = "US dollars for a million tokens; 0 is free";
            findings.refuse(&table.dotted(model), &value, "a price is 0 or more", right);
        }
    }
    prices.into_iter().collect()
}

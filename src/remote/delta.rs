//! What is different between two JSON values, and how to make the one of the other.
//!
//! A patch is, at each place where something differs:
//! * `null`: the field is gone; any other scalar or an array: it is this now; `{"=": value}`: it is this now, whatever
//!   it was
//! * an object onto an object: a patch for each field that differs
//! * an object onto an array: `"#"` is the new length, `"<"` what was put in front, and a number the patch of that
//!   element
//!
//! Field names that begin with one of these marks get a `\`.

use serde_json::{Map, Value};

use super::compact::is_same;

/// How far an array is looked through for what was put in front.
const MOST_IN_FRONT: usize = 64;

/// Returns what makes `new` of `old`; `None` when they are the same.
pub(super) fn diff(old: &Value, new: &Value) -> Option<Value> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => diff_objects(old, new),
        (Value::Array(old), Value::Array(new)) => diff_arrays(old, new),
        _ if is_same(old, new) => None,
        _ => Some(whole(new)),
    }
}

/// Wraps a value that replaces another.
fn whole(value: &Value) -> Value {
    match value {
        Value::Object(_) => {
            let mut wrapped = Map::new();
            wrapped.insert("=".to_owned(), value.clone());
            Value::Object(wrapped)
        }
        _ => value.clone(),
    }
}

fn diff_objects(old: &Map<String, Value>, new: &Map<String, Value>) -> Option<Value> {
    let mut patch = Map::new();
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        patch.insert(marked(name), Value::Null);
    }
    for (name, value) in new {
        let change = match old.get(name) {
            Some(before) => diff(before, value),
            None => Some(whole(value)),
        };
        if let Some(change) = change {
            patch.insert(marked(name), change);
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

fn marked(name: &str) -> String {
    if name.starts_with(['=', '#', '<', '\\']) {
        format!("\\{name}")
    } else {
        name.to_owned()
    }
}

fn diff_arrays(old: &[Value], new: &[Value]) -> Option<Value> {
    let mut patch = Map::new();
    let front = put_in_front(old, new);
    if front > 0 {
        patch.insert("<".to_owned(), Value::Array(new[..front].to_vec()));
    }
    if front > 0 || old.len() != new.len() {
        patch.insert("#".to_owned(), new.len().into());
    }
    for (at, value) in new.iter().enumerate().skip(front) {
        let change = match old.get(at - front) {
            Some(before) => diff(before, value),
            None => Some(whole(value)),
        };
        if let Some(change) = change {
            patch.insert(at.to_string(), change);
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// Counts what stands in front of what was there before; 0 when the arrays do not look like that.
fn put_in_front(old: &[Value], new: &[Value]) -> usize {
    let (Some(first), Some(old_first)) = (new.first(), old.first()) else {
        return 0;
    };
    if diff(old_first, first).is_none() {
        return 0;
    }
    let most = MOST_IN_FRONT.min(new.len() - 1);
    (1..=most)
        .find(|front| {
            let kept = &new[*front..];
            kept.len() <= old.len()
                && kept
                    .iter()
                    .zip(old)
                    .all(|(kept, before)| diff(before, kept).is_none())
        })
        .unwrap_or(0)
}

/// What a patch asks for cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DoesNotFit;

/// Makes the new value of the old one.
///
/// # Errors
/// When the patch is not for this value; it may be half changed then.
pub(super) fn apply(value: &mut Value, patch: Value) -> Result<(), DoesNotFit> {
    let mut fields = match patch {
        Value::Object(fields) => fields,
        other => {
            *value = other;
            return Ok(());
        }
    };
    if let Some(whole) = fields.get_mut("=") {
        *value = whole.take();
        return Ok(());
    }
    match value {
        Value::Object(object) => apply_to_object(object, fields),
        Value::Array(items) => apply_to_array(items, fields),
        _ => Err(DoesNotFit),
    }
}

fn apply_to_object(
    object: &mut Map<String, Value>,
    patch: Map<String, Value>,
) -> Result<(), DoesNotFit> {
    for (name, change) in patch {
        let name = name.strip_prefix('\\').map_or(name.as_str(), |name| name);
        if change.is_null() {
            object.shift_remove(name);
        } else if let Some(value) = object.get_mut(name) {
            apply(value, change)?;
        } else {
            object.insert(name.to_owned(), made(change)?);
        }
    }
    Ok(())
}

/// Makes a value that was not there.
fn made(change: Value) -> Result<Value, DoesNotFit> {
    let mut value = Value::Null;
    apply(&mut value, change)?;
    Ok(value)
}

fn apply_to_array(items: &mut Vec<Value>, mut patch: Map<String, Value>) -> Result<(), DoesNotFit> {
    if let Some(front) = patch.shift_remove("<") {
        let Value::Array(front) = front else {
            return Err(DoesNotFit);
        };
        items.splice(0..0, front);
    }
    let length = match patch.shift_remove("#") {
        Some(length) => {
            let length = length.as_u64().ok_or(DoesNotFit)?;
            let length = usize::try_from(length).map_err(|_| DoesNotFit)?;
            items.truncate(length);
            length
        }
        None => items.len(),
    };
    for (at, change) in patch {
        let at: usize = at.parse().map_err(|_| DoesNotFit)?;
        let length = items.len();
        match items.get_mut(at) {
            Some(item) => apply(item, change)?,
            // No holes: nothing grows but by what was sent.
            None if at == length => items.push(made(change)?),
            None => return Err(DoesNotFit),
        }
    }
    if items.len() == length {
        Ok(())
    } else {
        Err(DoesNotFit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn changed(old: &Value, new: &Value) -> (Value, Option<String>) {
        let patch = diff(old, new);
        let mut value = old.clone();
        let said = patch.as_ref().map(Value::to_string);
        if let Some(patch) = patch {
            apply(&mut value, patch).unwrap();
        }
        (value, said)
    }

    #[test]
    fn only_what_differs_is_said() {
        let old = json!({"a": 1, "b": {"c": 2, "d": 3}, "gone": 1, "list": [{"x": 1}, {"x": 2}]});
        let new =
            json!({"a": 1, "b": {"c": 2, "d": 4}, "list": [{"x": 1}, {"x": 5}], "new": {"y": 1}});
        let (made, said) = changed(&old, &new);
        assert_eq!(made, new);
        assert_eq!(
            said.unwrap(),
            r#"{"gone":null,"b":{"d":4},"list":{"1":{"x":5}},"new":{"=":{"y":1}}}"#
        );
        assert_eq!(changed(&new, &new).1, None);
    }

    #[test]
    fn a_list_that_grows_at_the_front_costs_what_is_new() {
        let old = json!([{"id": 3}, {"id": 2}, {"id": 1}]);
        let new = json!([{"id": 5}, {"id": 4}, {"id": 3}]);
        let (made, said) = changed(&old, &new);
        assert_eq!(made, new);
        assert_eq!(said.unwrap(), r##"{"<":[{"id":5},{"id":4}],"#":3}"##);
    }

    #[test]
    fn kinds_may_change() {
        for (old, new) in [
            (json!({"s": "on"}), json!({"s": {"open": "!5"}})),
            (json!({"s": {"open": "!5"}}), json!({"s": "on"})),
            (json!({"s": [1]}), json!({"s": {"=": 1, "#": 2, "\\": 3}})),
            (json!({"s": {"a": 1}}), json!({"s": [1, 2]})),
            (json!([]), json!([{"a": 1}, null])),
            (json!([1, 2, 3]), json!([])),
        ] {
            assert_eq!(changed(&old, &new).0, new, "{old} -> {new}");
        }
    }

    #[test]
    fn a_patch_for_something_else_is_refused() {
        for (value, patch) in [
            (json!(1), json!({"a": 1})),
            (json!([]), json!({"7": 1})),
            (json!([]), json!({"#": 1_000_000_000})),
            (json!([]), json!({"x": 1})),
            (json!([]), json!({"<": 1})),
            (json!([]), json!({"#": -1})),
        ] {
            let mut made = value.clone();
            assert_eq!(
                apply(&mut made, patch.clone()),
                Err(DoesNotFit),
                "{value} {patch}"
            );
        }
    }

    /// JSON without null in objects, as the compact form has it.
    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0_u32..5).prop_map(Value::from),
            "[ab=#<\\\\]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(("[ab=#<0\\\\]{0,2}", inner), 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_patch_makes_the_new_of_the_old(old in tree(), new in tree()) {
            prop_assert_eq!(changed(&old, &new).0, new);
        }

        #[test]
        fn no_patch_makes_it_panic(value in tree(), patch in tree()) {
            let mut value = value;
            let _ = apply(&mut value, patch);
        }
    }
}

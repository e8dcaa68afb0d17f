//! Numbers of a sentence, read back.

/// Returns the shares of a sentence, in percent.
pub fn percents(text: &str) -> Vec<f64> {
    let parts = text.match_indices(" %").map(|(at, _)| &text[..at]);
    parts
        .filter_map(|before| before.rsplit([' ', '(', '<', '>']).next()?.parse().ok())
        .collect()
}

/// Returns the first number of MiB of a sentence.
pub fn mib(text: &str) -> Option<f64> {
    let before = text.split_once(" MiB")?.0;
    let number = before.rsplit([' ', '(', '<']).next()?;
    number.replace(',', "").parse().ok()
}

/// Returns all nodes that a sentence names, in its order: `node 1`, `nodes 0 and 2`, `nodes 0-2`.
pub fn nodes_in(text: &str) -> Vec<usize> {
    let mut nodes = Vec::new();
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        if !matches!(word, "node" | "nodes") {
            continue;
        }
        while let Some(list) =
            words.next_if(|word| *word == "and" || word.starts_with(|c: char| c.is_ascii_digit()))
        {
            for range in list.split(',').filter(|range| !range.is_empty()) {
                let Ok(bounds) = range
                    .trim_matches(|c: char| !c.is_ascii_digit())
                    .split('-')
                    .map(str::parse::<usize>)
                    .collect::<Result<Vec<_>, _>>()
                else {
                    continue;
                };
                nodes.extend(bounds[0]..=bounds[bounds.len() - 1]);
            }
        }
    }
    nodes
}

/// Returns the words of a sentence in which one thing is plural: `1 allocations`, `1 nodes`.
pub fn wrong_plural(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split(' ').collect();
    words.windows(2).enumerate().find_map(|(at, pair)| {
        let noun = pair[1].trim_end_matches(|c: char| !c.is_ascii_alphabetic());
        // A node's number is no count, and these words are no nouns.
        let counted = pair[0].trim_start_matches('(') == "1"
            && !(at > 0 && matches!(words[at - 1], "node" | "nodes" | "and" | "ran" | "to"));
        let plural = noun.len() > 2 && noun.ends_with('s') && !matches!(noun, "was" | "access");
        (counted && plural).then(|| pair.join(" "))
    })
}

#[test]
fn numbers_are_read_as_they_are_written() {
    assert_eq!(
        percents("3 of 4 (75.0 %), <0.1 %, >99.9 %, 100 %"),
        [75.0, 0.1, 99.9, 100.0]
    );
    assert_eq!(mib("has 1,024.5 MiB of 3 MiB"), Some(1_024.5));
    assert_eq!(mib("none"), None);
    assert_eq!(
        nodes_in("on node 3, and its memory on nodes 0-2 and 7 and runs on node 1"),
        [3, 0, 1, 2, 7, 1]
    );
    assert_eq!(
        wrong_plural("in 1 allocations"),
        Some("1 allocations".into())
    );
    assert_eq!(
        wrong_plural("1 allocation; on node 1 allocations; 11 pages"),
        None
    );
}

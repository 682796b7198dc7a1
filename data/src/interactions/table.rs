//! Lines of a table: how they are divided, and which column is what.

/// What divides the columns of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    Tab,
    /// Commas, with quotes as in CSV; a field does not go on in the next line.
    Comma,
    /// The `::` of older MovieLens files.
    Colons,
    /// Any number of blanks.
    Blanks,
}

impl Separator {
    /// What divides `line`, of a file that ends in `extension`.
    pub(super) fn of(extension: &str, line: &str) -> Self {
        match extension {
            "csv" => Self::Comma,
            _ if line.contains('\t') => Self::Tab,
            _ if line.contains("::") => Self::Colons,
            _ if line.contains(',') && !line.contains(' ') => Self::Comma,
            _ => Self::Blanks,
        }
    }

    /// The columns of `line`.
    pub(super) fn split(self, line: &str) -> Vec<String> {
        match self {
            Self::Tab => line.split('\t').map(|field| field.trim().to_owned()).collect(),
            Self::Colons => line.split("::").map(|field| field.trim().to_owned()).collect(),
            Self::Blanks => line.split_whitespace().map(str::to_owned).collect(),
            Self::Comma => commas(line),
        }
    }
}

fn commas(line: &str) -> Vec<String> {
    if !line.contains('"') {
        return line.split(',').map(|field| field.trim().to_owned()).collect();
    }
    let mut fields = vec![String::new()];
    let mut is_quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let field = fields.last_mut().expect("there is always a field");
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(String::new()),
            _ => field.push(c),
        }
    }
    fields.into_iter().map(|field| field.trim().to_owned()).collect()
}

/// The name of a column without its type (`user_id:token`), its case and its marks: `userid`.
pub(super) fn plain_name(title: &str) -> String {
    let name = title.split(':').next().unwrap_or_default();
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The place of the first column whose plain name is one of `names`.
pub(super) fn column(titles: &[String], names: &[&str]) -> Option<usize> {
    titles.iter().position(|title| names.contains(&plain_name(title).as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_commas() {
        assert_eq!(
            Separator::Comma.split(r#"11,"President, The ""Best"" (1995)",A|B"#),
            ["11", r#"President, The "Best" (1995)"#, "A|B"]
        );
        assert_eq!(Separator::Comma.split("a,,"), ["a", "", ""]);
    }

    #[test]
    fn names_of_columns_lose_type_case_and_marks() {
        let titles = ["user_id:token", "MovieID", "Timestamp"].map(str::to_owned);
        assert_eq!(
            titles.each_ref().map(|title| plain_name(title)),
            ["userid", "movieid", "timestamp"]
        );
        assert_eq!(column(&titles, &["itemid", "movieid"]), Some(1));
        assert_eq!(column(&titles, &["rating"]), None);
    }
}

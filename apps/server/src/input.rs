//! Reads the fields of a request, however a client sends them: JSON, form, multipart or query.

use std::time::Duration;

use actix_multipart::Multipart;
use actix_web::{HttpRequest, http::header, web};
use futures_util::{StreamExt, future, stream};
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::error::ApiError;

/// How long a body may take to come.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// The fields of a request by name; unknown ones do no harm.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    values: Map<String, Value>,
}

impl Fields {
    /// Reads the body, at most `limit` bytes, and the query.
    ///
    /// As upstream does, JSON is taken alone; else the query comes first, and the form after it.
    pub(crate) async fn read(
        request: &HttpRequest,
        payload: web::Payload,
        limit: usize,
    ) -> Result<Self, ApiError> {
        let body = timeout(MAX_WAIT, payload.to_bytes_limited(limit)).await;
        let body = body.map_err(|_| ApiError::invalid("the body did not come in time"))?;
        let body = body.map_err(|_| ApiError::TooLarge(limit))?.map_err(ApiError::invalid)?;
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let kind = kind.to_lowercase();
        if kind == "application/json" || kind.ends_with("+json") {
            return Self::parse_json(&body);
        }
        let mut fields = Self::default();
        fields.add_form(request.query_string().as_bytes())?;
        match kind.as_str() {
            "application/x-www-form-urlencoded" => fields.add_form(&body)?,
            "multipart/form-data" => fields.add_multipart(request, body).await?,
            _ => {}
        }
        Ok(fields)
    }

    /// The value of `name`; what Python takes for false counts as missing.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name).filter(|value| match value {
            Value::Null | Value::Bool(false) => false,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            Value::Bool(true) => true,
        })
    }

    /// The text of `name`, if it is given.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let wrong = || ApiError::invalid(format_args!("{name} parameter is not a string"));
        self.get(name).map(|value| value.as_str().ok_or_else(wrong)).transpose()
    }

    /// The text of `name`, which must be given.
    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name)?.ok_or_else(|| ApiError::missing(name))
    }

    /// Whether `name` is switched on: JSON's `true`, or a word for it in a form.
    pub(crate) fn flag(&self, name: &str) -> bool {
        match self.get(name) {
            Some(Value::Bool(on)) => *on,
            Some(Value::Number(_)) => true,
            Some(Value::String(word)) => matches!(word.as_str(), "true" | "1" | "yes" | "on"),
            _ => false,
        }
    }

    fn parse_json(body: &[u8]) -> Result<Self, ApiError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(values)) => Ok(Self { values }),
            Ok(_) => Err(ApiError::Invalid("Invalid JSON format".into())),
            Err(error) => Err(ApiError::Invalid(format!("Invalid JSON format: {error}"))),
        }
    }

    fn add_form(&mut self, form: &[u8]) -> Result<(), ApiError> {
        for pair in form.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
            let at = pair.iter().position(|&byte| byte == b'=').unwrap_or(pair.len());
            let (name, value) = (&pair[..at], pair.get(at + 1..).unwrap_or_default());
            self.add(decode(name, Plus::Space)?, decode(value, Plus::Space)?);
        }
        Ok(())
    }

    async fn add_multipart(
        &mut self,
        request: &HttpRequest,
        body: web::Bytes,
    ) -> Result<(), ApiError> {
        let body = stream::once(future::ready(Ok(body)));
        let mut parts = Multipart::new(request.headers(), body);
        while let Some(part) = parts.next().await {
            let mut part = part.map_err(ApiError::invalid)?;
            let mut value = Vec::new();
            while let Some(chunk) = part.next().await {
                value.extend_from_slice(&chunk.map_err(ApiError::invalid)?);
            }
            if let Some(name) = part.name().map(str::to_owned) {
                self.add(name, utf8(value)?);
            }
        }
        Ok(())
    }

    /// Adds a field of a form; the first of a name counts. Line ends become `\n`, as upstream's.
    fn add(&mut self, name: String, value: String) {
        let value = if value.contains('\r') { value.replace("\r\n", "\n") } else { value };
        self.values.entry(name).or_insert(Value::String(value));
    }
}

/// What a plus sign stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plus {
    /// A space, in forms and queries.
    Space,
    /// Itself, in paths.
    Itself,
}

/// Undoes the coding of URLs and forms.
pub(crate) fn decode(coded: &[u8], plus: Plus) -> Result<String, ApiError> {
    let mut bytes = Vec::with_capacity(coded.len());
    let mut rest = coded;
    while let [first, tail @ ..] = rest {
        rest = tail;
        bytes.push(match first {
            b'+' if plus == Plus::Space => b' ',
            b'%' => match (hex(rest.first()), hex(rest.get(1))) {
                (Some(high), Some(low)) => {
                    rest = &rest[2..];
                    high << 4 | low
                }
                _ => b'%', // browsers take a lone sign as it is
            },
            byte => *byte,
        });
    }
    utf8(bytes)
}

fn hex(digit: Option<&u8>) -> Option<u8> {
    char::from(*digit?).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn utf8(bytes: Vec<u8>) -> Result<String, ApiError> {
    String::from_utf8(bytes).map_err(|_| ApiError::invalid("text is not valid UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() -> anyhow::Result<()> {
        let mut fields = Fields::default();
        fields.add_form(b"q=a+b%26c%C3%A9%0D%0Ad&q=second&100%=%zz&empty&=x")?;
        assert_eq!(fields.text("q")?, Some("a b&cé\nd"));
        assert_eq!(fields.text("100%")?, Some("%zz"));
        assert_eq!(fields.text("empty")?, None);
        assert!(fields.add_form(b"q=%ff").is_err());
        Ok(())
    }

    #[test]
    fn json_that_is_no_object_is_refused() {
        for body in ["[1]", "\"q\"", "", "{", "nul", "{\"q\": \"\\ud800\"}"] {
            let error = Fields::parse_json(body.as_bytes()).expect_err(body).to_string();
            assert!(error.starts_with("Invalid JSON format"), "{error}");
        }
        assert!(Fields::parse_json(b"{\"q\": \"\xff\"}").is_err());
        assert!(Fields::parse_json("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn what_is_false_in_python_is_missing() -> anyhow::Result<()> {
        let fields = Fields::parse_json(br#"{"a":"","b":[],"c":null,"d":0,"e":" ","f":1}"#)?;
        assert!(["a", "b", "c", "d", "x"].iter().all(|name| fields.get(name).is_none()));
        assert_eq!(fields.text("e")?, Some(" "));
        assert!(fields.text("f").is_err());
        Ok(())
    }
}

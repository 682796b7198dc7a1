//! Reads the fields of a request, however a client sends them: JSON, form, multipart or query.

use std::{borrow::Cow, sync::Arc};

use actix_multipart::Multipart;
use actix_web::{HttpRequest, http::header, web};
use futures_util::{StreamExt, future, stream};
use percent_encoding::percent_decode;
use serde_json::{Map, Value};

use crate::{body::Bodies, error::ServiceError};

/// What some programs write before the text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads the fields of requests.
pub(crate) struct Reader {
    bodies: Arc<Bodies>,
    limit: usize,
}

/// The fields of a request by name; unknown ones do no harm.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    values: Map<String, Value>,
    /// What forms say again of a name that they said before, in their order.
    repeated: Vec<(String, String)>,
    upload: Option<Upload>,
}

/// A file that came as the field `file` of a form.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    /// Its name as the client calls it.
    pub(crate) name: String,
    pub(crate) bytes: web::Bytes,
}

impl Reader {
    /// Takes bodies of at most `limit` bytes.
    pub(crate) fn new(bodies: Arc<Bodies>, limit: usize) -> Self {
        Self { bodies, limit }
    }

    /// Reads the body and the query.
    ///
    /// As upstream does, JSON is taken alone; else the query comes first, and the form after it.
    pub(crate) async fn fields(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
    ) -> Result<Fields, ServiceError> {
        self.fields_of(request, payload, self.limit).await
    }

    /// As [`fields`](Self::fields), with a file among them and up to `limit` bytes.
    pub(crate) async fn fields_of(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
        limit: usize,
    ) -> Result<Fields, ServiceError> {
        let body = self.bodies.read(request, payload, limit).await?;
        Fields::parse(request, body).await
    }
}

impl Fields {
    async fn parse(request: &HttpRequest, body: web::Bytes) -> Result<Self, ServiceError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let kind = kind.to_lowercase();
        if kind == "application/json" || kind.ends_with("+json") {
            return Self::parse_json(&body);
        }
        let mut fields = Self::default();
        fields.add_form(request.query_string().as_bytes())?;
        match kind.as_str() {
            // As `curl -d '{...}'` sends it, which names no type.
            "application/x-www-form-urlencoded" if Self::parse_json(&body).is_ok() => {
                return Err(other_type(&kind));
            }
            "application/x-www-form-urlencoded" => fields.add_form(&body)?,
            "multipart/form-data" => fields.add_multipart(request, body).await?,
            _ if !body.is_empty() && fields.values.is_empty() => return Err(other_type(&kind)),
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

    /// The value of `name`, whatever it is.
    pub(crate) fn raw(&self, name: &str) -> Option<&Value> {
        self.values.get(name).filter(|value| !value.is_null())
    }

    /// All texts of `name`: those of a JSON array, or of the fields of a form that share the name.
    ///
    /// # Errors
    /// Fails when one of them is no text.
    pub(crate) fn all(&self, name: &str) -> Result<Vec<&str>, ServiceError> {
        let wrong = || {
            ServiceError::invalid(format_args!("{name} must be a string or an array of strings"))
        };
        let mut texts = match self.raw(name) {
            None => Vec::new(),
            Some(Value::Array(values)) => {
                let texts = values.iter().map(|value| value.as_str().ok_or_else(wrong));
                texts.collect::<Result<_, _>>()?
            }
            Some(value) => vec![value.as_str().ok_or_else(wrong)?],
        };
        let again = self.repeated.iter().filter(|(known, _)| known == name);
        texts.extend(again.map(|(_, value)| value.as_str()));
        Ok(texts)
    }

    /// Takes `key` as the caller's, unless the fields name one.
    pub(crate) fn set_key(&mut self, key: &str) {
        self.values.entry("api_key").or_insert_with(|| Value::String(key.to_owned()));
    }

    /// The text of `name`, if it is given.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, ServiceError> {
        let wrong = || ServiceError::invalid(format_args!("{name} parameter is not a string"));
        self.get(name).map(|value| value.as_str().ok_or_else(wrong)).transpose()
    }

    /// The file, if there is one.
    pub(crate) fn upload(&self) -> Option<&Upload> {
        self.upload.as_ref()
    }

    /// The text of `name`, which must be given.
    pub(crate) fn required(&self, name: &str) -> Result<&str, ServiceError> {
        self.text(name)?.ok_or_else(|| ServiceError::missing(name))
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

    fn parse_json(body: &[u8]) -> Result<Self, ServiceError> {
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        let kind = match serde_json::from_slice(body) {
            Ok(Value::Object(values)) => return Ok(Self { values, ..Self::default() }),
            Ok(Value::Array(_)) => "a list",
            Ok(Value::String(_)) => "a string",
            Ok(Value::Number(_)) => "a number",
            Ok(Value::Bool(_)) => "a truth value",
            Ok(Value::Null) => "null",
            Err(error) => return Err(ServiceError::Malformed(error.to_string())),
        };
        Err(ServiceError::Malformed(format!("the body must be an object, not {kind}")))
    }

    fn add_form(&mut self, form: &[u8]) -> Result<(), ServiceError> {
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
    ) -> Result<(), ServiceError> {
        let body = stream::once(future::ready(Ok(body)));
        let mut parts = Multipart::new(request.headers(), body);
        while let Some(part) = parts.next().await {
            let mut part = part.map_err(ServiceError::invalid)?;
            let mut value = Vec::new();
            while let Some(chunk) = part.next().await {
                value.extend_from_slice(&chunk.map_err(ServiceError::invalid)?);
            }
            let file_name = part.content_disposition().and_then(|part| part.get_filename());
            match (part.name().map(str::to_owned), file_name) {
                (Some(name), Some(file_name)) if name == "file" => {
                    let name = file_name.to_owned();
                    self.upload.get_or_insert(Upload { name, bytes: value.into() });
                }
                (Some(name), _) => self.add(name, utf8(value)?),
                (None, _) => {}
            }
        }
        Ok(())
    }

    /// Adds a field of a form; the first of a name counts where one is wanted. Line ends become
    /// `\n`, as upstream's.
    fn add(&mut self, name: String, value: String) {
        let value = if value.contains('\r') { value.replace("\r\n", "\n") } else { value };
        match self.values.contains_key(&name) {
            true => self.repeated.push((name, value)),
            false => drop(self.values.insert(name, Value::String(value))),
        }
    }
}

/// The error for a body that its header calls `kind`, which does not say how to read it.
fn other_type(kind: &str) -> ServiceError {
    let sent = match kind {
        "" => "the body came without a Content-Type".to_owned(),
        "application/x-www-form-urlencoded" => {
            format!("the body is JSON, but its Content-Type is `{kind}`")
        }
        _ => format!("the Content-Type `{kind}` is not read"),
    };
    ServiceError::invalid(format_args!(
        "{sent}; send JSON with `Content-Type: application/json`, or a form"
    ))
}

/// The names of a list: a JSON array, fields of a form that share the name, or one text with commas
/// between them.
pub(crate) fn names(fields: &Fields, name: &str) -> Result<Vec<String>, ServiceError> {
    let texts = fields.all(name)?;
    let names = texts.iter().flat_map(|text| text.split(',')).map(str::trim);
    Ok(names.filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// A number from 0 to 100.
pub(crate) fn percent(fields: &Fields, name: &str) -> Result<Option<u8>, ServiceError> {
    let number = match fields.raw(name) {
        None => return Ok(None),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    let number = number.and_then(|number| u8::try_from(number).ok()).filter(|n| *n <= 100);
    let wrong = || ServiceError::invalid(format_args!("{name} is a number from 0 to 100"));
    number.map(Some).ok_or_else(wrong)
}

/// What a plus sign stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plus {
    /// A space, in forms and queries.
    Space,
    /// Itself, in paths.
    Itself,
}

/// Decodes percent signs as URLs and forms write them; a lone sign stays, as in browsers.
pub(crate) fn decode(coded: &[u8], plus: Plus) -> Result<String, ServiceError> {
    let spaced: Cow<'_, [u8]> = match plus {
        Plus::Space if coded.contains(&b'+') => {
            coded.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect()
        }
        _ => coded.into(),
    };
    utf8(percent_decode(&spaced).collect())
}

fn utf8(bytes: Vec<u8>) -> Result<String, ServiceError> {
    String::from_utf8(bytes).map_err(|_| ServiceError::invalid("text is not valid UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() -> anyhow::Result<()> {
        let mut fields = Fields::default();
        fields.add_form(b"q=a+b%26c%C3%A9%0D%0Ad&q=second&100%=%zz&empty&=x")?;
        assert_eq!(fields.text("q")?, Some("a b&cé\nd"));
        assert_eq!(fields.all("q")?, ["a b&cé\nd", "second"]);
        assert_eq!(fields.text("100%")?, Some("%zz"));
        assert_eq!(fields.text("empty")?, None);
        assert!(fields.add_form(b"q=%ff").is_err());
        Ok(())
    }

    #[test]
    fn json_that_is_no_object_is_refused() {
        for body in ["[1]", "\"q\"", "", "{", "nul", "{\"q\": \"\\ud800\"}"] {
            let error = Fields::parse_json(body.as_bytes()).expect_err(body).to_string();
            assert!(error.starts_with("invalid JSON: "), "{error}");
        }
        let error = Fields::parse_json(b"[1]").expect_err("a list").to_string();
        assert!(error.contains("must be an object, not a list"), "{error}");
        assert!(Fields::parse_json(b"{\"q\": \"\xff\"}").is_err());
        assert!(Fields::parse_json("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn a_byte_order_mark_before_json_is_left_out() -> anyhow::Result<()> {
        let fields = Fields::parse_json("\u{feff}{\"q\": \"a\"}".as_bytes())?;
        assert_eq!(fields.text("q")?, Some("a"));
        Ok(())
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

//! Reads formulas: a parser that climbs the precedence of operators.

use super::{Function, Method, Name, Node, Operator, Value};

/// Parentheses within each other at most.
const MAX_DEPTH: usize = 64;

const FUNCTIONS: [(&str, Function); 11] = [
    ("now", Function::Now),
    ("count", Function::Count),
    ("sum", Function::Sum),
    ("mean", Function::Mean),
    ("len", Function::Len),
    ("max", Function::Max),
    ("min", Function::Min),
    ("abs", Function::Abs),
    ("round", Function::Round),
    ("floor", Function::Floor),
    ("ceil", Function::Ceil),
];

const METHODS: [(&str, Method); 5] = [
    ("Hours", Method::Hours),
    ("Minutes", Method::Minutes),
    ("Seconds", Method::Seconds),
    ("Unix", Method::Unix),
    ("Year", Method::Year),
];

/// Operators with how strongly they bind; longer signs first.
const OPERATORS: [(&str, Operator, u8); 19] = [
    ("||", Operator::Or, 1),
    ("or", Operator::Or, 1),
    ("&&", Operator::And, 2),
    ("and", Operator::And, 2),
    ("==", Operator::Equal, 3),
    ("!=", Operator::Unequal, 3),
    ("<=", Operator::LessOrEqual, 3),
    (">=", Operator::GreaterOrEqual, 3),
    ("<", Operator::Less, 3),
    (">", Operator::Greater, 3),
    ("in", Operator::In, 3),
    ("+", Operator::Plus, 4),
    ("-", Operator::Minus, 4),
    ("**", Operator::Power, 6),
    ("*", Operator::Times, 5),
    ("/", Operator::Divide, 5),
    ("%", Operator::Remainder, 5),
    ("^", Operator::Power, 6),
    ("=", Operator::Equal, 3),
];

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(f64),
    Text(String),
    Word(String),
    Sign(&'static str),
}

/// Reads a whole formula.
pub(super) fn formula(text: &str) -> Result<Node, String> {
    let mut parser = Parser { tokens: tokens(text)?, place: 0, depth: 0 };
    let node = parser.expression(0)?;
    match parser.peek() {
        None => Ok(node),
        Some(token) => Err(format!("{} is not expected there", shown(token))),
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Number(number) => format!("`{number}`"),
        Token::Text(text) => format!("`\"{text}\"`"),
        Token::Word(word) => format!("`{word}`"),
        Token::Sign(sign) => format!("`{sign}`"),
    }
}

/// Marks that are no operators.
const MARKS: [&str; 8] = ["(", ")", "[", "]", ",", ".", "#", "!"];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first.is_ascii_digit() {
            let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
            let number = rest[..end].parse();
            tokens.push(Token::Number(
                number.map_err(|_| format!("`{}` is no number", &rest[..end]))?,
            ));
            end
        } else if first.is_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].into()));
            end
        } else if first == '\'' || first == '"' {
            let end = rest[1..].find(first).ok_or("a quotation mark is missing")?;
            tokens.push(Token::Text(rest[1..=end].into()));
            end + 2
        } else {
            let signs = OPERATORS.iter().map(|(sign, ..)| *sign).chain(MARKS);
            let signs = signs.filter(|sign| rest.starts_with(sign));
            let sign = signs.max_by_key(|sign| sign.len());
            let sign = sign.ok_or_else(|| format!("`{first}` means nothing here"))?;
            tokens.push(Token::Sign(sign));
            sign.len()
        };
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    place: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.place)
    }

    fn next(&mut self) -> Result<Token, String> {
        let token = self.peek().cloned().ok_or("the formula ends too early")?;
        self.place += 1;
        Ok(token)
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is_there = matches!(self.peek(), Some(Token::Sign(known)) if *known == sign);
        self.place += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        match self.takes(sign) {
            true => Ok(()),
            false => Err(format!("`{sign}` is missing")),
        }
    }

    fn operator(&self) -> Option<(Operator, u8)> {
        let sign = match self.peek()? {
            Token::Sign(sign) => *sign,
            Token::Word(word) => word.as_str(),
            _ => return None,
        };
        let known = OPERATORS.iter().find(|(known, ..)| *known == sign);
        known.map(|&(_, operator, strength)| (operator, strength))
    }

    /// An expression whose operators bind more strongly than `least`.
    fn expression(&mut self, least: u8) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("it is nested too deeply".into());
        }
        let mut left = self.prefix()?;
        while let Some((operator, strength)) = self.operator()
            && strength > least
        {
            self.place += 1;
            // Powers bind to the right.
            let least = if operator == Operator::Power { strength - 1 } else { strength };
            let right = self.expression(least)?;
            left = Node::Binary(left.into(), operator, right.into());
        }
        self.depth -= 1;
        Ok(left)
    }

    fn prefix(&mut self) -> Result<Node, String> {
        let is_not = self.takes("!") || self.takes_word("not");
        if is_not {
            return Ok(Node::Not(self.expression(3)?.into()));
        }
        if self.takes("-") {
            return Ok(Node::Minus(self.expression(5)?.into()));
        }
        let mut node = self.primary()?;
        while self.takes(".") {
            let Token::Word(name) = self.next()? else {
                return Err("a name is missing after `.`".into());
            };
            node = match self.takes("(") {
                false => Node::Field(node.into(), name),
                true => {
                    self.expect(")")?;
                    let known = METHODS.iter().find(|(known, _)| *known == name);
                    let (_, method) = known.ok_or_else(|| {
                        let names: Vec<&str> = METHODS.iter().map(|(name, _)| *name).collect();
                        format!("there is no `{name}()`; there are {}", names.join(", "))
                    })?;
                    Node::Method(node.into(), *method)
                }
            };
        }
        Ok(node)
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is_there = matches!(self.peek(), Some(Token::Word(known)) if known == word);
        self.place += usize::from(is_there);
        is_there
    }

    fn primary(&mut self) -> Result<Node, String> {
        match self.next()? {
            Token::Number(number) => Ok(Node::Value(Value::Number(number))),
            Token::Text(text) => Ok(Node::Value(Value::Text(text))),
            Token::Sign("(") => {
                let node = self.expression(0)?;
                self.expect(")")?;
                Ok(node)
            }
            Token::Sign("[") => Ok(Node::List(self.arguments("]")?)),
            Token::Sign("#") => Ok(Node::Name(Name::Row)),
            Token::Sign(".") => {
                self.place -= 1; // the field follows
                Ok(Node::Name(Name::Row))
            }
            Token::Word(word) => self.word(&word),
            other => Err(format!("{} is not expected there", shown(&other))),
        }
    }

    fn word(&mut self, word: &str) -> Result<Node, String> {
        if self.takes("(") {
            let known = FUNCTIONS.iter().find(|(known, _)| *known == word);
            let (_, function) = known.ok_or_else(|| {
                let names: Vec<&str> = FUNCTIONS.iter().map(|(name, _)| *name).collect();
                format!("there is no function `{word}`; there are {}", names.join(", "))
            })?;
            return Ok(Node::Call(*function, self.arguments(")")?));
        }
        match word {
            "true" => Ok(Node::Value(Value::Bool(true))),
            "false" => Ok(Node::Value(Value::Bool(false))),
            "nil" | "null" => Ok(Node::Value(Value::Null)),
            "item" => Ok(Node::Name(Name::Item)),
            "feedback" => Ok(Node::Name(Name::Feedback)),
            _ => Err(format!("there is no `{word}`; there are `item` and `feedback`")),
        }
    }

    /// What stands between commas until `end`.
    fn arguments(&mut self, end: &str) -> Result<Vec<Node>, String> {
        let mut nodes = Vec::new();
        if self.takes(end) {
            return Ok(nodes);
        }
        loop {
            nodes.push(self.expression(0)?);
            if !self.takes(",") {
                self.expect(end)?;
                return Ok(nodes);
            }
        }
    }
}

//! Users, items and feedback, with the names that they have on the wire.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{check_id, feedback, json};
use crate::{Result, Timestamp};

/// Someone who does things with items.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct User {
    /// Identifier.
    pub user_id: String,
    /// What is known of the user: null, text, numbers, lists and objects of these.
    pub labels: Value,
    /// For people.
    pub comment: String,
}

/// Something that can be recommended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Item {
    /// Identifier.
    pub item_id: String,
    /// Whether it is kept, but never recommended.
    pub is_hidden: bool,
    /// Kinds of thing it belongs to.
    pub categories: Vec<String>,
    /// When it appeared.
    pub timestamp: Timestamp,
    /// What is known of the item, as of a user.
    pub labels: Value,
    /// For people; the page shows it as the title.
    pub comment: String,
}

/// All that a user did with an item in one way, summed up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Feedback {
    /// The way, such as `read`.
    pub feedback_type: String,
    /// Who.
    pub user_id: String,
    /// With what.
    pub item_id: String,
    /// How much of it.
    pub value: f64,
    /// The first time.
    pub timestamp: Timestamp,
    /// The last time.
    pub updated: Timestamp,
    /// What is known of it.
    pub labels: Value,
    /// For people.
    pub comment: String,
}

/// What makes a feedback row the only one of its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FeedbackKey {
    /// The way, such as `read`.
    pub feedback_type: String,
    /// Who.
    pub user_id: String,
    /// With what.
    pub item_id: String,
}

impl User {
    /// Says why a store would not take this row.
    pub fn check(&self) -> Result<()> {
        check_id("UserId", &self.user_id)?;
        json(self).map(drop)
    }
}

impl Item {
    /// Says why a store would not take this row.
    pub fn check(&self) -> Result<()> {
        check_id("ItemId", &self.item_id)?;
        json(self).map(drop)
    }
}

impl Feedback {
    /// Says why a store would not take this row.
    pub fn check(&self) -> Result<()> {
        feedback::check(self)
    }

    /// What makes this row the only one of its kind.
    pub fn key(&self) -> FeedbackKey {
        FeedbackKey {
            feedback_type: self.feedback_type.clone(),
            user_id: self.user_id.clone(),
            item_id: self.item_id.clone(),
        }
    }
}

/// Changes to a user; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UserPatch {
    /// New labels.
    pub labels: Option<Value>,
    /// New comment.
    pub comment: Option<String>,
}

/// Changes to an item; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemPatch {
    /// Whether it is hidden from now on.
    pub is_hidden: Option<bool>,
    /// New categories.
    pub categories: Option<Vec<String>>,
    /// New time.
    pub timestamp: Option<Timestamp>,
    /// New labels.
    pub labels: Option<Value>,
    /// New comment.
    pub comment: Option<String>,
}

impl UserPatch {
    /// `user` with the changes.
    #[must_use]
    pub fn apply(self, user: User) -> User {
        User {
            user_id: user.user_id,
            labels: self.labels.unwrap_or(user.labels),
            comment: self.comment.unwrap_or(user.comment),
        }
    }
}

impl ItemPatch {
    /// Changes `item`.
    pub fn apply(self, item: &mut Item) {
        if let Some(is_hidden) = self.is_hidden {
            item.is_hidden = is_hidden;
        }
        if let Some(categories) = self.categories {
            item.categories = categories;
        }
        if let Some(timestamp) = self.timestamp {
            item.timestamp = timestamp;
        }
        if let Some(labels) = self.labels {
            item.labels = labels;
        }
        if let Some(comment) = self.comment {
            item.comment = comment;
        }
    }
}

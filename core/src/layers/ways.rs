//! The route of every row, and the experts that are added beside it.

/// What is known of every row before the first layer runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ways {
    routes: Vec<u32>,
    /// Bit `i` asks for the `i`-th domain expert.
    domains: Vec<u32>,
    /// The token of each row; empty where it is not told.
    ids: Vec<u32>,
}

impl Ways {
    /// Takes apart the `ways` of rows, as [`Register::way`](crate::register::Register::way) makes
    /// them, in a model with so many routes.
    pub fn new(ways: &[u32], num_routes: usize) -> Self {
        let num_routes = num_routes.max(1) as u32;
        Self {
            routes: ways.iter().map(|way| way % num_routes).collect(),
            domains: ways.iter().map(|way| way / num_routes).collect(),
            ids: Vec::new(),
        }
    }

    /// Tells the token of each row, for rules that look at it.
    #[must_use]
    pub fn of_tokens(mut self, ids: &[u32]) -> Self {
        self.ids = ids.to_vec();
        self
    }

    /// The token of each row; empty where it is not told.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The route of each row.
    pub fn routes(&self) -> &[u32] {
        &self.routes
    }

    /// The domains that each row asks for, a bit each.
    pub fn domains(&self) -> &[u32] {
        &self.domains
    }
}

//! The words that things and customers of the generated shop are named with.

/// Kinds of thing, and what there is of each.
pub(super) const KINDS: [(&str, [&str; 5]); 12] = [
    ("Kitchen", ["kettle", "saucepan", "whisk", "bread knife", "teapot"]),
    ("Garden", ["trowel", "watering can", "bird bath", "rake", "cold frame"]),
    ("Lighting", ["desk lamp", "lantern", "reading light", "chandelier", "candlestick"]),
    ("Stationery", ["fountain pen", "notebook", "ink bottle", "letter opener", "paperweight"]),
    ("Music", ["ukulele", "kalimba", "metronome", "hand drum", "tin whistle"]),
    ("Travel", ["duffel bag", "travel pillow", "passport case", "flask", "map of the coast"]),
    ("Toys", ["spinning top", "kite", "wooden train", "marionette", "jigsaw puzzle"]),
    ("Textiles", ["wool blanket", "tea towel", "rug", "scarf", "quilt"]),
    ("Outdoors", ["hammock", "camp stove", "compass", "rain cape", "rope ladder"]),
    ("Tea", ["green tea", "black tea", "herb tea", "smoked tea", "jasmine tea"]),
    ("Clocks", ["wall clock", "pocket watch", "hourglass", "alarm clock", "sundial"]),
    ("Games", ["chess set", "domino", "deck of cards", "draughts board", "dice tower"]),
];

pub(super) const BRANDS: [&str; 5] =
    ["Marrow & Vale", "Oddfellow", "Tidewater", "Juniper", "Haldane"];

pub(super) const ADJECTIVES: [&str; 16] = [
    "quiet",
    "sturdy",
    "folding",
    "enamelled",
    "hand-made",
    "little",
    "grand",
    "plain",
    "painted",
    "brass",
    "oak",
    "travelling",
    "everyday",
    "Sunday",
    "northern",
    "harbour",
];

pub(super) const COLOURS: [&str; 8] =
    ["red", "ochre", "indigo", "moss", "ivory", "charcoal", "teal", "rose"];

pub(super) const FIRST: [&str; 24] = [
    "Mira", "Jonas", "Adela", "Tariq", "Ines", "Bram", "Lotte", "Emre", "Sanna", "Paulo", "Greta",
    "Idris", "Noor", "Felix", "Hana", "Otto", "Yara", "Luca", "Maud", "Ravi", "Tove", "Omar",
    "Elsa", "Kofi",
];

pub(super) const LAST: [&str; 24] = [
    "Holt", "Brandt", "Aydin", "Moreau", "Lind", "Costa", "Visser", "Okoro", "Weiss", "Novak",
    "Reyes", "Haddad", "Berg", "Silva", "Kaya", "Dubois", "Falk", "Romero", "Janssen", "Sato",
    "Petit", "Marsh", "Osei", "Keller",
];

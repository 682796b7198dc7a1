from os import PathLike
from typing import Literal, Mapping, Optional, Sequence, TypedDict, Union

__version__: str

class DragomanError(ValueError):
    """A model, a language, a domain or an argument that cannot be used; the message says how to go on."""

class Translator:
    """A translation model. Its methods release the GIL; one object may be used by many threads."""

    def __init__(
        self,
        model: Union[str, PathLike[str]],
        *,
        beam: int = 2,
        precision: Optional[Literal["int8", "bf16", "f32"]] = None,
        expert_memory: Optional[int] = None,
    ) -> None:
        """Loads the model directory `model`.

        `beam` hypotheses are kept of each sentence, 1 is fastest. `precision` is that of the weights; by default
        it is what fits the model. `expert_memory` is how many bytes of experts are kept.
        """

    @property
    def languages(self) -> list[str]:
        """Codes of the languages, sorted."""

    @property
    def domains(self) -> list[str]:
        """Names of the domain experts, sorted."""

    def can_translate(self, source: str, target: str) -> bool:
        """Whether `source` is translated into `target`, directly or through a third language."""

    def detect(self, text: str) -> str:
        """Code of the language that `text` is most likely in."""

    def translate(
        self,
        text: str,
        *,
        target: str,
        source: str = "auto",
        domain: Optional[str] = None,
        format: Literal["text", "html", "xml"] = "text",
        glossary: Optional[Mapping[str, str]] = None,
    ) -> str:
        """Translates one text of any length; see `translate_batch`."""

    def translate_batch(
        self,
        texts: Sequence[str],
        *,
        target: str,
        source: str = "auto",
        domain: Optional[str] = None,
        format: Literal["text", "html", "xml"] = "text",
        glossary: Optional[Mapping[str, str]] = None,
    ) -> list[str]:
        """Translates texts, in their order and in the same batches.

        What is not prose (markup, addresses, placeholders, code) comes back as it was. `source` "auto" guesses
        the language of each text. `domain` names a domain expert, "auto" takes the one that fits each text.
        `glossary` maps terms to the words that translations use for them.
        """

class Recommender:
    """A recommendation model. Its methods release the GIL."""

    def __init__(self, model: Union[str, PathLike[str]], *, catalogue: Optional[str] = None) -> None:
        """Loads the model directory `model`, or another `catalogue` that was added to it."""

    @property
    def items(self) -> list[str]:
        """Identifiers of the items."""

    def recommend(
        self,
        history: Sequence[tuple[str, int]],
        *,
        n: int = 10,
        labels: Sequence[str] = (),
        now: Optional[int] = None,
        keep_seen: bool = False,
    ) -> list[tuple[str, float]]:
        """The `n` best items for a user with their scores, the best first.

        `history` holds items with times in seconds since 1970; items that the model does not know are left
        out, and items of the history are not recommended unless `keep_seen` is set.
        """

    def similar(self, item: str, *, n: int = 10) -> list[tuple[str, float]]:
        """The `n` items most similar to `item`."""

class TrainingSummary(TypedDict):
    """How a session of a run ended."""

    finished: bool
    """Whether the budget is used up; else the same call goes on."""
    reason: str
    """Why it ended, in words."""
    step: int
    """Steps made, in all sessions."""
    seconds: float
    """Seconds spent, in all sessions."""
    score: Optional[float]
    """The best score on the development sets."""
    model: Optional[str]
    """The best model as a folder, for `Translator`; none before the first evaluation."""

def train(
    config: Union[str, PathLike[str]],
    corpus: Union[str, PathLike[str]],
    out: Union[str, PathLike[str]],
    *,
    dev: Optional[Union[str, PathLike[str]]] = None,
    start_from: Optional[Union[str, PathLike[str]]] = None,
    device: Optional[str] = None,
    steps: Optional[int] = None,
    minutes: Optional[float] = None,
    session_minutes: Optional[float] = None,
    quiet: bool = False,
) -> TrainingSummary:
    """Trains a translation model as `dragoman train translation` does, or goes on with the run in `out`.

    `config` is a file of settings, `corpus` what `dragoman data pack` wrote; paths of development sets start from
    `dev`. The other arguments are put in place of the settings, but `session_minutes`, which stops this call
    alone. Ctrl-C stops after the step: everything is saved, then KeyboardInterrupt is raised.
    """

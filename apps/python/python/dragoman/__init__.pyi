from datetime import datetime
from os import PathLike
from typing import Any, Literal, Mapping, Optional, Protocol, Sequence, TypedDict, TypeVar, Union, overload

__version__: str

_Text = TypeVar("_Text", str, Optional[str])

class _ArrowColumn(Protocol):
    """`pyarrow.Array` or `pyarrow.ChunkedArray`."""

    def to_pylist(self) -> list[Any]: ...

_Arrow = TypeVar("_Arrow", bound=_ArrowColumn)

class _ToList(Protocol):
    """A column of pandas or polars."""

    def to_list(self) -> list[Any]: ...

class _NumpyColumn(Protocol):
    def tolist(self) -> Any: ...

class _PandasFrame(Protocol):
    def itertuples(self, index: bool = ..., name: Optional[str] = ...) -> Any: ...

class _PolarsFrame(Protocol):
    def iter_rows(self) -> Any: ...

_Time = Union[int, float, datetime]

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

    @overload
    def translate_batch(
        self,
        texts: _Arrow,
        *,
        target: str,
        source: str = "auto",
        domain: Optional[str] = None,
        format: Literal["text", "html", "xml"] = "text",
        glossary: Optional[Mapping[str, str]] = None,
    ) -> _Arrow: ...
    @overload
    def translate_batch(
        self,
        texts: Sequence[_Text],
        *,
        target: str,
        source: str = "auto",
        domain: Optional[str] = None,
        format: Literal["text", "html", "xml"] = "text",
        glossary: Optional[Mapping[str, str]] = None,
    ) -> list[_Text]: ...
    @overload
    def translate_batch(
        self,
        texts: Union[_ToList, _NumpyColumn],
        *,
        target: str,
        source: str = "auto",
        domain: Optional[str] = None,
        format: Literal["text", "html", "xml"] = "text",
        glossary: Optional[Mapping[str, str]] = None,
    ) -> list[Optional[str]]:
        """Translates texts, in their order and in the same batches.

        `texts` is a list, or a column: an `Array` or `ChunkedArray` of pyarrow, a `Series` of pandas or polars, or
        what else has `to_pylist`, `to_list` or `tolist`. What is null (`None`, and NaN or `NA` of pandas) stays null.
        A column of pyarrow gives one of pyarrow, of strings; all else gives a list, in which null is `None`.

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
        history: Union[
            Sequence[tuple[str, _Time]],
            Sequence[Mapping[str, Any]],
            _ArrowColumn,
            _ToList,
            _NumpyColumn,
            _PandasFrame,
            _PolarsFrame,
        ],
        *,
        n: int = 10,
        labels: Union[Sequence[str], _ArrowColumn, _ToList, _NumpyColumn] = (),
        now: Optional[int] = None,
        keep_seen: bool = False,
    ) -> list[tuple[str, float]]:
        """The `n` best items for a user with their scores, the best first.

        `history` holds items with times, in seconds since 1970 or as `datetime` (in UTC, unless it has a zone): pairs,
        or a table of pyarrow, pandas or polars with these two columns, in this order, or a column or cell of
        pyarrow with such structs. Rows with a null and items that the model does not know are left out, and items
        of the history are not recommended unless `keep_seen` is set.
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

r"""What a planner writes, read as a stream: text in any chunks, steps out the moment each call is complete.

Canonical form, one line per step:

    Plan: one line of strategy.
    #E1 = search_documents(query="...", k=4)  # reason
    #E2 = extract(question="...", text="#E1") after #E1

Also read, because models write them: the ReWOO paper's `#E1 = Tool[text]` under `Plan:` lines,
LLMCompiler's `1. tool("x", $1)`, JSON arrays, objects and lines; all of them inside fences, prose,
markdown or after thinking. What looks like a step but cannot be read becomes a problem, never silence.

Every decision is taken on text that later chunks cannot change, so chunking never matters.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from agent_graph.plan import Plan, PlanProblem, Step
from agent_graph.planner.arguments import end_of_bracket, read_arguments, read_free_text
from agent_graph.planner.objects import (
    Remark,
    Unread,
    Written,
    canonical,
    load,
    read_object,
    renamed,
    step_id,
)
from agent_graph.references import StepId
from tools.errors import NotPlain
from tools.plain import jsonable

MAX_CHARACTERS = 1_000_000
"""Longest text read; a plan is a few thousand characters."""
MAX_CALL = 40_000
"""Longest single call or JSON object read."""
LOOK_BACK = 400
"""Longest beginning of a step, of its line's start up to its bracket."""
MAX_STEPS = 5_000
MAX_PROBLEMS = 50
"""Reading stops at either: what goes on like that is no plan."""

_TAG = r"(?:think|thinking|thought|reasoning|scratchpad)"
_LEAD = r"[ \t>*_`\-•]{0,20}"
_NEXT = re.compile(rf"^{_LEAD}(?:\d{{1,4}}[.)][ \t]*)?{_LEAD}\#E[1-9]\d{{0,3}}[*_`]*[ \t]*(?:=|:=|←)", re.M)
_LANDMARK = re.compile(
    rf"""
      (?P<thinking><{_TAG}>)
    | (?P<thought></{_TAG}>)
    | (?:^{_LEAD}(?:\d{{1,4}}[.)][ \t]*)?{_LEAD}\#?E(?P<id>[1-9]\d{{0,3}})[*_`]*[ \t]*(?:=|:=|←|:)[ \t]*`?
        (?P<tool>[A-Za-z_][\w.\-]*)[*_`]*[ \t]*(?P<open>[(\[]))
    | (?:\#E(?P<inner_id>[1-9]\d{{0,3}})[ \t]*=[ \t]*(?P<inner_tool>[A-Za-z_][\w.\-]*)(?P<inner_open>[(\[]))
    | (?:^{_LEAD}(?P<number>\d{{1,4}})[.)][ \t]*[*_`]*(?P<numbered>[A-Za-z_][\w\-]*)(?P<numbered_open>\())
    | (?:^{_LEAD}(?P<bare>[A-Za-z_][\w\-]*)(?P<bare_open>\())
    | (?:^{_LEAD}\#E(?P<broken>[1-9]\d{{0,3}})[*_`]*[ \t]*(?:=|:=|←))
    | (?:^{_LEAD}\#(?P<foreign>(?!E[1-9])[A-Za-z]\w{{0,40}})[*_`]*[ \t]*(?:=|:=|←)[ \t]*[A-Za-z_][\w.\-]*[(\[])
    | (?P<plan>^{_LEAD}(?:Plan|Strategy|Thought)[*_`]*[ \t]*:[*_`]*)
    | (?P<json>^[ \t]*(?:\{{(?=\s*["'}}“])|\[(?=\s*[\[{{\]]))
        |\[(?=\s*\{{\s*["'])
        |\{{(?=\s*["'](?:tool|action|name|message|plan|steps?|function|id|thought|reason|task)["']))
    """,
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)
_OPEN_JSON = re.compile(r"[ \t]*[\[{]\s*(?:\{\s*)?[\"'“]?\w{0,12}\Z")
_LINE_END = re.compile(r"\n|#E\d+[ \t]*=")
_THOUGHT = re.compile(rf"</{_TAG}>", re.IGNORECASE)
_AFTER = re.compile(
    r"[ \t*_`;]*(?:after[ \t:]+(#?E\d{1,4}(?:[ \t]*(?:,|and|&)?[ \t]*#?E\d{1,4})*))?", re.IGNORECASE
)
_AFTER_BEGUN = re.compile(r"[ \t*_`;]*(?:after[ \t:#E\d,&and]*|afte|aft|af|a)?", re.IGNORECASE)
_REASON = re.compile(r"[ \t*_`;,.]*(?:\#|//|--|—|–|-|:)[ \t]*([^\n]+)")
_STEP_LIKE = re.compile(r"#?\bE\d+[*_` \t]*[=:]", re.IGNORECASE)
_NO_TOOL = re.compile(
    r"\bno (?:tools?|steps?|plan)\b|\bwithout (?:any )?tools?\b|\bempty plan\b", re.IGNORECASE
)
_MAY_END = re.compile(r"[)\]}>\n]")
_ENDINGS = frozenset({"join", "finish", "end"})
"""LLMCompiler's closing calls: they stand for the solver."""


class _Found(NamedTuple):
    step: Step
    tail: int
    """Where the rest of the step's line begins: its reason may still be on the way."""
    lead: str
    """The `Plan:` line just before the step, if the writer gave each step one."""


class PlanReader:
    """Reads one planner reply. `parameters` maps tool names to their parameter names, in order."""

    def __init__(self, parameters: Mapping[str, Sequence[str]] | None = None) -> None:
        self._parameters = parameters or {}
        self._text = ""
        self._at = 0
        self._found: list[_Found] = []
        self._leads: list[str] = []
        self._planned = False
        self._labels: dict[str, str] = {}
        self._lead = ""
        self._problems: list[PlanProblem] = []
        self._in_array = False
        self._in_call = False
        self._thinks_on = False
        self._empty_json = False
        self._ended = False

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that are complete so far."""
        return tuple(found.step for found in self._found)

    @property
    def problems(self) -> tuple[PlanProblem, ...]:
        """What looked like a step and could not be read."""
        return tuple(self._problems)

    def feed(self, text: str) -> list[Step]:
        """Take the next piece of text; return the steps it completed."""
        if len(self._text) + len(text) > MAX_CHARACTERS:
            text = text[: MAX_CHARACTERS - len(self._text)]
            if any(problem.kind == "too_large" for problem in self._problems):
                return []
            self._problem("too_large", None, f"The plan is longer than {MAX_CHARACTERS:,} characters.")
        self._text += text.replace("\r", "")
        # Inside a long argument nothing can end before one of these is written: do not scan it again.
        if self._in_call and len(self._text) - self._at < MAX_CALL and not _MAY_END.search(text):
            return []
        return self._advance()

    def close(self) -> list[Step]:
        """Say that the text is complete; return the steps that only now are."""
        self._ended = True
        if not self._text.endswith("\n"):
            self._text += "\n"
        steps = self._advance()
        if not self._found and not self._problems and not self._says_no_tool():
            self._problem(
                "unreadable",
                None,
                "There is no step in it.",
                f"{_FORM} If no tool is needed, write Plan: and why.",
            )
        return steps

    def take(self, calls: Sequence[Mapping[str, Any]]) -> list[Step]:
        """Take the tool calls of a chat model that plans by calling tools in parallel; return their steps."""
        before = len(self._found)
        for call in calls:
            for written in read_object({**call, "id": step_id(call.get("id"))}, self._parameters):
                self._add_written(written)
        return [found.step for found in self._found[before:]]

    def plan(self, *, author: str = "", tainted: bool = False) -> Plan:
        """Return the plan read so far, with the steps' reasons."""
        steps = [found.step.model_copy(update={"reason": self._reason(found)}) for found in self._found]
        strategy = self._leads[0] if self._leads else ""
        return Plan(strategy=strategy, steps=tuple(steps), author=author, tainted=tainted)

    def _advance(self) -> list[Step]:
        before = len(self._found)
        self._in_call = False
        while self._may_go_on():
            ahead = self._array_item() if self._in_array else self._landmark()
            if not ahead:
                break
            before = min(before, len(self._found))
        return [found.step for found in self._found[before:]]

    def _may_go_on(self) -> bool:
        if len(self._found) < MAX_STEPS and len(self._problems) < MAX_PROBLEMS:
            return True
        if self._at < len(self._text):
            self._at = len(self._text)
            self._problem("too_large", None, "The rest was not read: it goes on like that.", _FORM)
        return False

    def _landmark(self) -> bool:
        """Read the next thing of interest; False when more text is needed."""
        match = _LANDMARK.search(self._text, self._at)
        if match is None:
            self._at = max(self._at, self._settled())
            return False
        if match["thinking"]:
            return self._thinking(match)
        if match["thought"]:  # the opening tag was in the prompt: what came before was thinking too
            self._forget()
            self._at = match.end()
            return True
        if match["plan"]:
            return self._strategy(match)
        if match["json"]:
            return self._json(match)
        if match["broken"] or match["foreign"]:
            return self._no_call(match)
        return self._call(match)

    def _settled(self) -> int:
        """Return where the text begins in which something may still come to be: before it nothing will."""
        line = self._text.rfind("\n") + 1
        at = line if len(self._text) - line <= LOOK_BACK else len(self._text) - LOOK_BACK
        open_json = _OPEN_JSON.search(self._text, max(at - LOOK_BACK, 0))
        return min(at, open_json.start()) if open_json else at

    def _thinking(self, match: re.Match[str]) -> bool:
        closed = None if self._thinks_on else _THOUGHT.search(self._text, match.end())
        if closed is None:
            if not self._ended:
                return False
            # Cut off while thinking, or a stray tag: what follows is all there is.
            self._thinks_on = True
            self._at = match.end()
            return True
        self._at = closed.end()
        return True

    def _strategy(self, match: re.Match[str]) -> bool:
        """Read a `Plan:` line; what stands in it is waited for, so that nothing in it is taken for more."""
        end = _LINE_END.search(self._text, match.end())
        if end is None:
            return False
        self._lead = self._text[match.end() : end.start()].strip()
        self._leads.append(self._lead)
        # A thought alone is no plan: the model only began to think.
        self._planned = self._planned or "thought" not in match["plan"].lower()
        self._at = end.start()
        return True

    def _no_call(self, match: re.Match[str]) -> bool:
        """Report a line that begins like a step and is none, once it has ended."""
        end = self._text.find("\n", match.end())
        if end < 0:
            return False
        said = self._text[match.end() : end].strip()
        if match["foreign"]:
            self._problem("unreadable", None, f"'#{match['foreign']}' is no name of a step.", _FORM)
        else:
            self._problem("unreadable", StepId(f"E{match['broken']}"), f"{said[:80]!r} is not a call.", _FORM)
        self._at = end
        return True

    def _call(self, match: re.Match[str]) -> bool:
        number = match["id"] or match["inner_id"] or match["number"]
        tool = match["tool"] or match["inner_tool"] or match["numbered"] or match["bare"]
        if match["bare"] and (tool not in self._parameters or match["bare"].lower() in _ENDINGS):
            self._at = match.end()
            return True
        start = match.end() - 1
        end, whole = self._end_of_call(start)
        if end is None:
            self._in_call = True
            return False
        tail = self._order(end)
        if tail is None:
            return False
        at, after = tail
        self._at = max(at, end)
        if match["numbered"] and tool.lower() in _ENDINGS:
            return True
        inside = self._text[start + 1 : end - 1 if whole else end]
        step_id = StepId(f"E{number or len(self._found) + 1}")
        if not whole:
            self._problem("unreadable", step_id, f"The call of {tool} is not closed.", _FORM)
        parameters = self._parameters.get(tool, ())
        read = read_free_text if self._text[start] == "[" else read_arguments
        args = read(inside, parameters) if whole else {}
        if match["numbered"]:
            args = canonical(args, int(number) - 1)
        self._add(Step(id=step_id, tool=tool, args=args, after=after), at)
        return True

    def _end_of_call(self, start: int) -> tuple[int | None, bool]:
        """Return the end of the call's bracket and whether it was properly closed; None when still open."""
        window = self._text[start : start + MAX_CALL]
        following = _NEXT.search(window)
        limit = start + (following.start() if following else len(window))
        end = _end_of_free_text(window) if window[0] == "[" else end_of_bracket(window, 0)
        if end is not None and start + end <= limit:
            return start + end, True
        if following is None and not self._ended and len(window) < MAX_CALL:
            return None, False
        closing = "]" if self._text[start] == "[" else ")"
        last = self._text.rfind(closing, start, limit)
        line_end = self._text.find("\n", start)
        return (last + 1, True) if last > 0 else (min(limit, line_end if line_end > 0 else limit), False)

    def _order(self, end: int) -> tuple[int, tuple[StepId, ...]] | None:
        """Read `after #E1, #E2` behind a call; None while it may still be on its way."""
        begun = _AFTER_BEGUN.match(self._text, end)
        if begun and begun.end() == len(self._text) and not self._ended:
            return None
        match = _AFTER.match(self._text, end)
        if match is None or match[1] is None:
            return end, ()
        return match.end(), tuple(StepId(f"E{number}") for number in re.findall(r"\d+", match[1]))

    def _json(self, match: re.Match[str]) -> bool:
        start = match.end("json") - 1
        if self._text[start] == "[":
            self._in_array = True
            self._at = start + 1
            return True
        return self._object(start)

    def _array_item(self) -> bool:
        while self._at < len(self._text):
            mark = self._text[self._at]
            if mark == "{":
                return self._object(self._at)
            self._at += 1
            if mark == "]":
                self._in_array = False
                self._empty_json = not self._found
                return True
        return False

    def _object(self, start: int) -> bool:
        window = self._text[start : start + MAX_CALL]
        end = end_of_bracket(window, 0)
        if end is None and not self._ended and len(window) < MAX_CALL:
            self._in_call = True
            return False
        value = load(window[: end or len(window)])
        written = list(read_object(value, self._parameters))
        self._at = start + (end or len(window))
        for step in written:
            self._add_written(step)
        if end is None:
            cut = self._found[-1].step.id if written and self._found else None
            self._problem("unreadable", cut, "The JSON is cut off before its end.", _FORM)
        return True

    def _add_written(self, written: Written | Remark | Unread) -> None:
        if isinstance(written, Remark):
            self._leads.append(written.text)
            self._planned = True
            return
        if isinstance(written, Unread):
            self._problem("unreadable", None, f"{written.text[:80]!r} names no tool.", _FORM)
            return
        number = int(written.id[1:]) if written.id else len(self._found) + 1
        args = canonical(renamed(written.args, self._labels), max(number - 1, 0))
        if written.label:
            self._labels[written.label] = f"#E{number}"
        after = tuple(StepId(one) for one in written.after)
        step = Step(id=StepId(f"E{number}"), tool=written.tool, args=args, reason=written.reason, after=after)
        self._add(step, self._at)

    def _add(self, step: Step, tail: int) -> None:
        try:
            plain = {name: jsonable(value) for name, value in step.args.items()}
        except NotPlain as error:
            self._problem("bad_argument", step.id, f"An argument {error}.")
            plain = {}
        step = step.model_copy(update={"args": plain})
        self._found.append(_Found(step, tail, self._lead))
        self._lead = ""

    def _reason(self, found: _Found) -> str:
        if found.step.reason:
            return found.step.reason
        match = _REASON.match(self._text, found.tail)
        own = match[1].strip() if match and not match[1].lstrip().startswith("E") else ""
        return own or (found.lead if len(self._leads) > 1 else "")

    def _forget(self) -> None:
        self._found.clear()
        self._leads.clear()
        self._problems.clear()
        self._lead = ""

    def _problem(self, kind: Any, step: StepId | None, message: str, hint: str = "") -> None:
        self._problems.append(PlanProblem(kind=kind, step=step, message=message, hint=hint))

    def _says_no_tool(self) -> bool:
        """Whether the reply plans to use no tool, rather than failing to plan."""
        called = any(f"{tool}(" in self._text or f"{tool}[" in self._text for tool in self._parameters)
        planned = self._planned or self._empty_json or bool(_NO_TOOL.search(self._text))
        return planned and not called and not _STEP_LIKE.search(self._text)


_FORM = 'Write #E1 = tool(argument="value") on a line of its own.'


def read_plan(
    text: str | Iterable[str], parameters: Mapping[str, Sequence[str]] | None = None, *, author: str = ""
) -> tuple[Plan, tuple[PlanProblem, ...]]:
    """Read a whole plan at once, from one text or from chunks of it."""
    reader = PlanReader(parameters)
    for chunk in [text] if isinstance(text, str) else text:
        reader.feed(chunk)
    reader.close()
    return reader.plan(author=author), reader.problems


def _end_of_free_text(text: str) -> int | None:
    """Return the index after the `]` that closes free text; brackets in it count, quotes do not."""
    if text[1:2] == "{":
        return end_of_bracket(text, 0)
    depth = 0
    for at in range(len(text)):
        if text[at] == "[":
            depth += 1
        elif text[at] == "]":
            depth -= 1
            if depth == 0:
                return at + 1
    return None

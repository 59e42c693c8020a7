"""The rules that matter, each a function from one file to a list of findings `path:line what to do`.

They hold no opinion about the tree as it is; test_service.py applies them, test_rules_catch.py proves they can fail.
"""

import ast
import re
import sys
from collections.abc import Iterator, Sequence

from tests.architecture.source import Source

FILE_LIMIT = 300
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "service", "misc"}

HIDDEN_INPUTS = {
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
    "time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.sleep", "asyncio.sleep",
    "uuid.uuid1", "uuid.uuid4", "uuid.uuid7", "os.urandom", "os.environ", "os.getenv", "os.environb", "os.putenv",
}  # fmt: skip
HIDDEN_INPUT_MODULES = {"random", "secrets"}

# Calls that reach out of the process, or change it, the moment a module is imported.
ACTS_ON_IMPORT = re.compile(
    r"""(^|\.)(basicConfig|dictConfig|fileConfig|from_url|connect|create_connection|open|read_text|read_bytes
        |write_text|getenv|urlopen|urandom|Redis|StrictRedis|ConnectionPool|Client|AsyncClient|ValkeyServer
        |BaseSettings|Settings|start_http_server|load_dotenv|getaddrinfo|gethostname|run|Popen|mkdir)$""",
    re.VERBOSE,
)
# Statements that only fill an object of the same module (Typer, a router): declarations in all but syntax.
DECLARES = re.compile(
    r"\.(add_typer|command|callback|include_router|mount|add_middleware|add_exception_handler)$"
)


def vague_names(source: Source) -> list[str]:
    parts = source.path.removesuffix(".py").split("/")[1:]
    return [
        f"{source.path}: name it after what it is about, not '{p}'" for p in parts if p.strip("_") in VAGUE
    ]


def too_long_file(source: Source) -> list[str]:
    lines = len(source.text.splitlines())
    return (
        [f"{source.path}: {lines} lines; split it at its second reason to change"]
        if lines > FILE_LIMIT
        else []
    )


def hidden_inputs(source: Source) -> list[str]:
    """Clock, ids, chance and environment, however they were imported; as a value (`default_factory=uuid4`) too."""
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name | ast.Attribute):
            name = source.dotted(node)
            if name in HIDDEN_INPUTS or name.split(".")[0] in HIDDEN_INPUT_MODULES & set(
                source.names.values()
            ):
                found.append(f"{source.at(node)} {name}: take it as a parameter or a port")
    imported = [
        f"{source.at(line)} {name}: take it as a parameter or a port"
        for line, name in source.imports
        if name.split(".")[0] in HIDDEN_INPUT_MODULES or name in HIDDEN_INPUTS
    ]
    return sorted(set(found + imported))


def import_effects(source: Source) -> list[str]:
    """Calls made by importing the module: bare statements, and assignments that open or read something."""
    found = []
    for statement in _run_on_import(source.tree.body):
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            name = source.dotted(statement.value.func) or ast.unparse(statement.value.func)
            if not DECLARES.search(name):
                found.append(
                    f"{source.at(statement)} {name}(): move it into a function that the wiring calls"
                )
            continue
        for call in _calls_evaluated(statement):
            name = source.dotted(call.func) or ast.unparse(call.func)
            if ACTS_ON_IMPORT.search(name):
                found.append(f"{source.at(call)} {name}(): move it into a function that the wiring calls")
    return found


def prints(source: Source) -> list[str]:
    return [
        f"{source.at(node)} print(): return the text, or log it without personal data"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def catch_alls_without_reason(source: Source) -> list[str]:
    """`except:`, `except Exception`, `except BaseException` need a comment of at least three words beside or above."""
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and _catches_everything(node):
            near = [source.comments.get(line, "") for line in (node.lineno - 1, node.lineno)]
            if not any(_is_reason(comment) for comment in near):
                found.append(f"{source.at(node)} say in a comment why everything is caught and where it goes")
    return found


def beyond_the_standard_library(source: Source) -> list[str]:
    return [
        f"{source.at(line)} {name}: the domain imports the standard library only"
        for line, name in source.imports
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("service.domain")
    ]


def other_fhir_models(source: Source) -> list[str]:
    """`fhir.resources.task` is R5; only the R4B models accept what R4 and R4B servers take."""
    return [
        f"{source.at(line)} {name}: import from fhir.resources.R4B"
        for line, name in source.imports
        if name.startswith("fhir.resources") and not name.startswith("fhir.resources.R4B")
    ]


def celery_tasks(source: Source, *others: Source) -> dict[str, bool]:
    """Task function -> whether its queue is named: in its decorator, or in `task_routes` of this file or of `others`."""
    routed = _routed_names([each.tree for each in (source, *others)])
    found = {}
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for decorator in node.decorator_list:
            call = decorator.func if isinstance(decorator, ast.Call) else decorator
            if source.dotted(call).rsplit(".", 1)[-1] in {"task", "shared_task"}:
                given = (
                    {k.arg: k.value for k in decorator.keywords} if isinstance(decorator, ast.Call) else {}
                )
                name = given.get("name")
                names = {node.name, _text(name), ast.unparse(name) if name else ""}
                found[node.name] = "queue" in given or any(_is_routed(n, routed) for n in names if n)
    return found


def _run_on_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Module-level statements, looking into if/try/with and class bodies, but not under `if __name__ == …`."""
    for statement in body:
        if isinstance(statement, ast.If):
            if not _is_main_guard(statement) and ast.unparse(statement.test) != "TYPE_CHECKING":
                yield from _run_on_import(statement.body + statement.orelse)
        elif isinstance(statement, ast.Try):
            handlers = [s for handler in statement.handlers for s in handler.body]
            yield from _run_on_import(statement.body + handlers + statement.orelse + statement.finalbody)
        elif isinstance(statement, ast.With | ast.For | ast.While):
            yield statement
            yield from _run_on_import(statement.body)
        elif isinstance(statement, ast.ClassDef):
            yield from _run_on_import(statement.body)
        else:
            yield statement


def _calls_evaluated(statement: ast.stmt) -> Iterator[ast.Call]:
    """Calls that run when the statement runs: not those inside a function or lambda, but default arguments yes."""
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending += [d for d in [*node.args.defaults, *node.args.kw_defaults] if d is not None]
            continue
        if isinstance(node, ast.Call):
            yield node
        if isinstance(node, ast.With | ast.For | ast.While) and node is statement:
            pending += [n for n in ast.iter_child_nodes(node) if not isinstance(n, ast.stmt)]
            continue
        pending += ast.iter_child_nodes(node)


def _is_main_guard(node: ast.If) -> bool:
    return "__name__" in ast.unparse(node.test)


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(ast.unparse(kind) in {"Exception", "BaseException"} for kind in kinds)


def _is_reason(comment: str) -> bool:
    words = re.sub(r"(noqa|type: ignore|pragma)\S*( [A-Z]+\d+)*", "", comment).split()
    return len(words) >= 3


def _routed_names(trees: Sequence[ast.Module]) -> set[str]:
    """Keys of `task_routes = {...}` (or `task_routes={...}`) whose value names a queue.

    `{job.value: {"queue": …} for job, … in TABLE.items()}` routes the `.value` of every key of TABLE.
    """
    nodes = [node for tree in trees for node in ast.walk(tree)]
    assigned = {ast.unparse(n.targets[0]): n.value for n in nodes if isinstance(n, ast.Assign)}
    tables = [k.value for k in nodes if isinstance(k, ast.keyword) and k.arg == "task_routes"]
    tables += [value for name, value in assigned.items() if "task_routes" in name.lower()]
    found = set()
    for table in tables:
        if isinstance(table, ast.Dict):
            rows = zip(table.keys, table.values, strict=True)
            found |= {_text(key) for key, value in rows if "queue" in ast.unparse(value)}
        elif isinstance(table, ast.DictComp) and "queue" in ast.unparse(table.value):
            routed = assigned.get(ast.unparse(table.generators[0].iter).removesuffix(".items()"))
            keys = [key for key in routed.keys if key] if isinstance(routed, ast.Dict) else []
            found |= {f"{ast.unparse(key)}.value" for key in keys}
    return found


def _is_routed(name: str, routed: set[str]) -> bool:
    return any(re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), name) for pattern in routed if pattern)


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""

"""What Jinja2, set up as transformers sets it up, makes of templates: python3 reference.py expectations.json

The file holds the variables of all cases ("extra") and the cases; each gets its "text" or "error" anew, and "generated"
where {% generation %} marks something. A new case needs no more than its "template"."""
import datetime, json, sys
import jinja2, jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime.datetime(2024, 7, 9, 8, 5, 3)
MESSAGES = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello, world!"}]


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("note"), [], [], body).set_lineno(line)

    def note(self, caller):
        text = caller()
        start = len("".join(self.environment.pieces))
        self.environment.spans.append([start, start + len(text)])
        return text


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


def answer(case):
    case = dict(case)
    case.setdefault("messages", MESSAGES)
    case.setdefault("add_generation_prompt", False)
    env = environment()
    env.pieces, env.spans = [], []
    try:
        values = {**case.get("variables", {}), "messages": case["messages"], "tools": case.get("tools"), "documents": None,
                  "add_generation_prompt": case["add_generation_prompt"], **case.get("extra", {})}
        for piece in env.from_string(case["template"]).generate(**values):
            env.pieces.append(piece)
        case["text"] = "".join(env.pieces)
        if env.spans:
            case["generated"] = env.spans
    except Exception as error:
        case["error"] = f"{type(error).__name__}: {error}"[:200]
    return case


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        data = json.load(file)
    kept = ("template", "text", "error", "generated")
    answers = [answer({"template": case["template"], "extra": data["extra"]}) for case in data["cases"]]
    lines = [json.dumps({key: case[key] for key in kept if key in case}, ensure_ascii=False) for case in answers]
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write('{"extra": ' + json.dumps(data["extra"], ensure_ascii=False) + ',\n"cases": [\n' + ",\n".join(lines) + "\n]}\n")

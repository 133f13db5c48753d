# SPDX-License-Identifier: MIT
"""JSON Schema (the part of draft 2020-12 that docs/schema uses), compiled to functions: thousands of reports in seconds.

A keyword that is not known here is an error, so that nothing in a schema goes unchecked. Where python3-jsonschema is
installed, the tests compare the two on some reports.
"""
import json
import os
import re

IGNORED = {"$schema", "$id", "$comment", "$defs", "title", "description", "examples", "default", "deprecated"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def is_type(name, v):
    if name == "integer":
        return isinstance(v, int) and not isinstance(v, bool) or isinstance(v, float) and v.is_integer()
    if name == "number":
        return isinstance(v, (int, float)) and not isinstance(v, bool)
    return isinstance(v, TYPES[name])


class Schemas:
    """The schemas of a directory; a validator for each file by name."""

    def __init__(self, directory):
        self.documents = {}
        self.compiled = {}
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
            if name.endswith(".json"):
                with open(os.path.join(directory, name), encoding="utf-8") as file:
                    self.documents[name] = json.load(file)

    def errors(self, name, value):
        """[(path, what)], empty when the value is valid."""
        out = []
        self.validator(name, "#")(value, "$", out)
        return out

    def validator(self, document, pointer):
        key = (document, pointer)
        if key not in self.compiled:
            # Put there before it is made: a schema may hold itself.
            holder = []
            self.compiled[key] = lambda v, path, out: holder[0](v, path, out)
            node = self.documents[document]
            for part in pointer.split("/")[1:]:
                node = node[part.replace("~1", "/").replace("~0", "~")]
            holder.append(self.build(document, node))
        return self.compiled[key]

    def reference(self, document, ref):
        target, _, pointer = ref.partition("#")
        if target:
            document = next((n for n, d in self.documents.items() if target in (n, d.get("$id"))),
                            os.path.basename(target))
        return self.validator(document, "#" + pointer)

    def build(self, document, node):
        if node is True or node is False:
            return (lambda v, p, out: None) if node else (lambda v, p, out: out.append((p, "is not allowed")))
        checks = []
        for keyword, arg in node.items():
            if keyword in IGNORED or keyword in ("additionalProperties", "patternProperties", "else", "then"):
                continue
            make = getattr(self, "k_" + keyword.replace("$", ""), None)
            if not make:
                raise ValueError("%s: keyword %r is not known to tests/tree/schema.py" % (document, keyword))
            checks.append(make(document, arg, node))
        if not {"properties"} & node.keys() and {"additionalProperties", "patternProperties"} & node.keys():
            checks.append(self.k_properties(document, {}, node))

        def run(v, path, out):
            for check in checks:
                check(v, path, out)
        return run

    def k_ref(self, document, arg, node):
        return self.reference(document, arg)

    def k_type(self, document, arg, node):
        names = [arg] if isinstance(arg, str) else arg

        def check(v, path, out):
            if not any(is_type(n, v) for n in names):
                out.append((path, "is a %s, not %s" % (type(v).__name__, " or ".join(names))))
        return check

    def k_properties(self, document, arg, node):
        known = {k: self.build(document, s) for k, s in arg.items()}
        patterns = [(re.compile(p), self.build(document, s)) for p, s in node.get("patternProperties", {}).items()]
        rest = self.build(document, node.get("additionalProperties", True))

        def check(v, path, out):
            if not isinstance(v, dict):
                return
            for key, value in v.items():
                below = path + "." + key
                found = key in known
                if found:
                    known[key](value, below, out)
                for pattern, validate in patterns:
                    if pattern.search(key):
                        found = True
                        validate(value, below, out)
                if not found:
                    rest(value, below, out)
        return check

    def k_required(self, document, arg, node):
        def check(v, path, out):
            if isinstance(v, dict):
                out.extend((path, "lacks %r" % k) for k in arg if k not in v)
        return check

    def k_dependentRequired(self, document, arg, node):
        def check(v, path, out):
            if isinstance(v, dict):
                out.extend((path, "has %r and lacks %r" % (a, b)) for a in arg if a in v for b in arg[a] if b not in v)
        return check

    def k_items(self, document, arg, node):
        item, skip = self.build(document, arg), len(node.get("prefixItems", ()))

        def check(v, path, out):
            if isinstance(v, list):
                for i, value in enumerate(v[skip:], skip):
                    item(value, "%s[%d]" % (path, i), out)
        return check

    def k_prefixItems(self, document, arg, node):
        items = [self.build(document, s) for s in arg]

        def check(v, path, out):
            if isinstance(v, list):
                for i, (value, validate) in enumerate(zip(v, items)):
                    validate(value, "%s[%d]" % (path, i), out)
        return check

    def k_propertyNames(self, document, arg, node):
        name = self.build(document, arg)

        def check(v, path, out):
            if isinstance(v, dict):
                for key in v:
                    name(key, path + ".(name)", out)
        return check

    def k_enum(self, document, arg, node):
        return lambda v, path, out: None if any(v == a and isinstance(v, bool) == isinstance(a, bool) for a in arg) \
            else out.append((path, "is none of %s" % arg))

    def k_const(self, document, arg, node):
        return self.k_enum(document, [arg], node)

    def k_pattern(self, document, arg, node):
        pattern = re.compile(arg)
        return lambda v, path, out: out.append((path, "%r does not match %s" % (v, arg))) \
            if isinstance(v, str) and not pattern.search(v) else None

    def k_format(self, document, arg, node):
        return lambda v, path, out: None

    def limit(self, what, types, measure, fails):
        def make(document, arg, node):
            def check(v, path, out):
                if isinstance(v, types) and not isinstance(v, bool) and fails(measure(v), arg):
                    out.append((path, "%s %s" % (what, arg)))
            return check
        return make

    def __getattr__(self, name):
        value = {"k_minimum": ("is less than", (int, float), lambda v: v, lambda a, b: a < b),
                 "k_maximum": ("is more than", (int, float), lambda v: v, lambda a, b: a > b),
                 "k_exclusiveMinimum": ("is not more than", (int, float), lambda v: v, lambda a, b: a <= b),
                 "k_exclusiveMaximum": ("is not less than", (int, float), lambda v: v, lambda a, b: a >= b),
                 "k_minLength": ("is shorter than", str, len, lambda a, b: a < b),
                 "k_maxLength": ("is longer than", str, len, lambda a, b: a > b),
                 "k_minItems": ("has fewer items than", list, len, lambda a, b: a < b),
                 "k_maxItems": ("has more items than", list, len, lambda a, b: a > b),
                 "k_minProperties": ("has fewer members than", dict, len, lambda a, b: a < b),
                 "k_maxProperties": ("has more members than", dict, len, lambda a, b: a > b)}.get(name)
        if not value:
            raise AttributeError(name)
        return self.limit(*value)

    def branches(self, document, arg, good, what):
        validators = [self.build(document, s) for s in arg]

        def check(v, path, out):
            fits = 0
            for validate in validators:
                inner = []
                validate(v, path, inner)
                fits += not inner
            if not good(fits, len(validators)):
                out.append((path, what))
        return check

    def k_anyOf(self, document, arg, node):
        return self.branches(document, arg, lambda n, of: n > 0, "fits none of anyOf")

    def k_oneOf(self, document, arg, node):
        return self.branches(document, arg, lambda n, of: n == 1, "does not fit exactly one of oneOf")

    def k_allOf(self, document, arg, node):
        validators = [self.build(document, s) for s in arg]

        def check(v, path, out):
            for validate in validators:
                validate(v, path, out)
        return check

    def k_not(self, document, arg, node):
        return self.branches(document, [arg], lambda n, of: n == 0, "fits what it must not")

    def k_if(self, document, arg, node):
        test, yes, no = (self.build(document, s) for s in (arg, node.get("then", True), node.get("else", True)))

        def check(v, path, out):
            inner = []
            test(v, path, inner)
            (no if inner else yes)(v, path, out)
        return check

    def k_uniqueItems(self, document, arg, node):
        def check(v, path, out):
            if arg and isinstance(v, list) and len({json.dumps(i, sort_keys=True) for i in v}) != len(v):
                out.append((path, "holds an item twice"))
        return check

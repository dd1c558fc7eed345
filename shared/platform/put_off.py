"""Parts of libraries that are loaded when they are used, and not when another part of the library imports them."""

import sys
from importlib.util import LazyLoader, find_spec, module_from_spec


def put_off(name: str) -> None:
    """Has a submodule wait for its first use (importlib's LazyLoader); where it is loaded already, nothing changes."""
    if name in sys.modules:
        return
    spec = find_spec(name)
    if spec is None or spec.loader is None:
        return
    spec.loader = LazyLoader(spec.loader)
    module = module_from_spec(spec)
    package, _, own = name.rpartition(".")
    sys.modules[name] = module
    # Where an import finds it as its package's attribute, it does not look into it, which would count as use.
    setattr(sys.modules[package], own, module)
    spec.loader.exec_module(module)

"""The handlers of all ONNX operators, one family a module; importing the package registers them."""

import pkgutil
from importlib import import_module

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

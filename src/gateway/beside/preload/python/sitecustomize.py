"""Loaded into a Python bot's process at its start, by PYTHONPATH: discord.py and its forks talk to the pod beside the bot."""

import importlib.abc
import importlib.machinery
import os
import sys

_API = os.environ.get("GUILDWAY_API_URL")
_GATEWAY = os.environ.get("GUILDWAY_GATEWAY_URL")


def _patch_http(module):
    module.Route.BASE = _API + "/v10"


def _patch_gateway(module):
    import yarl

    module.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(_GATEWAY)


_PATCHES = {"discord.http": _patch_http, "discord.gateway": _patch_gateway}


class _Finder(importlib.abc.MetaPathFinder):
    """Patches a module right after it has been loaded."""

    def find_spec(self, name, path, target=None):
        patch = _PATCHES.get(name)
        if patch is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            patch(module)

        spec.loader.exec_module = exec_module
        return spec


if _API and _GATEWAY:
    sys.meta_path.insert(0, _Finder())

# The bot may have a sitecustomize of its own, which this one hides.
_here = os.path.dirname(os.path.abspath(__file__))
_others = [path for path in sys.path if os.path.abspath(path or ".") != _here]
_spec = importlib.machinery.PathFinder.find_spec("sitecustomize", _others)
if _spec is not None and _spec.loader is not None:
    import importlib.util

    _module = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(_module)

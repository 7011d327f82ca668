"""Parameters ``module__…`` of the estimators, with which a module of the user's own is built, as in skorch."""

from functools import wraps

PREFIX = "module__"


class ModuleParametersMixin:
    """Mixin of the estimators that take a ``module``: ``module__width=64`` builds it with ``width=64``.

    They are parameters like the others, each an attribute of its own, as far as they are given.
    """

    def get_params(self, deep=True):
        """Parameters of the estimator, those of the module that were given included.

        Parameters
        ----------
        deep : bool, default=True
            As in scikit-learn.

        Returns
        -------
        dict
        """
        return super().get_params(deep) | {PREFIX + name: value for name, value in self._module_options().items()}

    def set_params(self, **params):
        """Set parameters of the estimator, and of its module by ``module__name``.

        Parameters
        ----------
        **params : dict

        Returns
        -------
        self : estimator
        """
        options, others = _split(params)
        super().set_params(**others)
        self._set_module_options(options)
        return self

    def _set_module_options(self, options):
        vars(self).update(options)

    def _module_options(self):
        """What was given for the module, by the names that it has there."""
        return {name.removeprefix(PREFIX): value for name, value in sorted(_split(vars(self))[0].items())}


def takes_module_parameters(cls):
    """Let ``__init__`` of an estimator, which only stores, store ``module__…``, too; its signature stays as it is."""
    plain = cls.__init__

    @wraps(plain)
    def init(self, **params):
        options, others = _split(params)
        plain(self, **others)
        self._set_module_options(options)

    cls.__init__ = init
    return cls


def _split(params):
    """The parameters of the module, and the others."""
    options = {name: value for name, value in params.items() if name.startswith(PREFIX)}
    return options, {name: value for name, value in params.items() if name not in options}

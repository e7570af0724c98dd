"""Which data sets there are, and what is known of them."""


class _DatasetCatalog(dict):
    """Functions that give a data set's records, by its name."""

    def register(self, name, func):
        assert callable(func), "You must register a function with `DatasetCatalog.register`!"
        assert name not in self, f"Dataset '{name}' is already registered!"
        self[name] = func

    def get(self, name):
        if name not in self:
            raise KeyError(f"Dataset '{name}' is not registered! Available datasets are: {', '.join(self)}")
        return self[name]()

    def list(self):
        return list(self)


class Metadata:
    """What is known of a data set, as attributes; none may be given another value later."""

    def __init__(self, name):
        self.name = name

    def set(self, **values):
        for key, value in values.items():
            old = getattr(self, key, value)
            assert old == value, f"Attribute '{key}' in the metadata of '{self.name}' cannot be set to a different value!"
            setattr(self, key, value)
        return self

    def get(self, key, default=None):
        return getattr(self, key, default)


class _MetadataCatalog(dict):
    def get(self, name):
        return self.setdefault(name, Metadata(name))


DatasetCatalog = _DatasetCatalog()
MetadataCatalog = _MetadataCatalog()

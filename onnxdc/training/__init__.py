"""Training of a pruned or shared model: ``train.py`` is the verb. ``options.py`` and ``report.py`` need no torch."""

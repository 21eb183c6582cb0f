from experiments.synthetic.writers.layouts import LAYOUTS, layout_of, write_exports

__all__ = ["LAYOUTS", "layout_of", "write_exports"]

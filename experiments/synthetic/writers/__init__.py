from experiments.synthetic.writers.layouts import DEALT, LAYOUTS, REGISTRY, Layout, layout_of, write_exports

__all__ = ["DEALT", "LAYOUTS", "REGISTRY", "Layout", "layout_of", "write_exports"]

"""Nothing arrives; the colours of the page leave, as a stylesheet's variables for light and dark.

The three series are a blue, an orange and a green that stay apart for the common kinds of colour
blindness (after Okabe and Ito, "Color universal design", 2008), darkened or lightened until text in
them is readable. No figure relies on colour alone: shape, dash or a label says the same.
"""

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "page": "#f5f6f8",
    "surface": "#ffffff",
    "raised": "#eef2f6",
    "ink": "#18212b",
    "muted": "#525e6b",
    "rule": "#d5dbe2",
    "edge": "#7b8794",
    "accent": "#0a5a9c",
    "one": "#0a62a8",
    "two": "#ad4c00",
    "three": "#00705f",
    "good": "#1c6b3c",
    "caution": "#8a4b00",
    "cautionground": "#fff4e2",
}
DARK: Mapping[str, str] = {
    "page": "#11161b",
    "surface": "#191f26",
    "raised": "#222a33",
    "ink": "#e7ebf0",
    "muted": "#a9b4c0",
    "rule": "#343e49",
    "edge": "#77838f",
    "accent": "#7cbcf5",
    "one": "#6fb4f0",
    "two": "#f2a65e",
    "three": "#57c9b3",
    "good": "#7fd19c",
    "caution": "#f0b765",
    "cautionground": "#33290f",
}

TONES_LIGHT: Mapping[str, str] = {"bad": "#a01f2b", "goodground": "#e6f4ea", "badground": "#fdeaea"}
TONES_DARK: Mapping[str, str] = {"bad": "#ff9c98", "goodground": "#17301f", "badground": "#3a1a1c"}


def variables(colours: Mapping[str, str]) -> str:
    """Return CSS custom properties, one per colour."""
    return "".join(f"--{name}:{value};" for name, value in colours.items())


def stylesheet() -> str:
    """Return the rules that choose light or dark; paper is always light."""
    dark = f"@media screen and (prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}"
    return f":root{{{variables(LIGHT)}}}\n{dark}\n"


def tones() -> str:
    """Return the rules for the colours of a judgement, which only a school's own pages have."""
    dark = f"@media screen and (prefers-color-scheme:dark){{:root{{{variables(TONES_DARK)}}}}}"
    return f":root{{{variables(TONES_LIGHT)}}}\n{dark}\n"

"""How figures look, and what they say to those who do not see them."""

import base64
import html
import io
import os

# In JupyterLab's dark theme, colours that have to serve on white as well are a little brighter.
DARK = "<style>[data-jp-theme-light=false] .wm-figure{filter:brightness(1.15)}</style>"


def style() -> None:
    """Have matplotlib draw as the lessons do: transparent, in colours that everybody can tell
    apart (Okabe and Ito, 2008), with as few lines as will do.

    A figure is then legible on light and dark pages. The colours are called "C0" (blue), "C1"
    (vermillion), "C2" (green), "C3" (purple), "C4" (ochre) and "C5" (the grey of all writing).
    """
    import matplotlib.pyplot as plt

    plt.style.use("wmlearn.figures")


def show(description: str) -> None:
    """Display the current figure, with a description for those who do not see it.

    JupyterLab gives a picture no alternative text of its own (4.6), so what it gets is a piece of
    HTML with the picture in it. Whatever reads the notebook elsewhere gets the picture as such, the
    description in its metadata and as its text.

    Parameters
    ----------
    description : a sentence that says what is to be seen, with the figures that matter
    """
    import matplotlib.pyplot as plt
    from IPython.display import display

    file = io.BytesIO()
    plt.savefig(file)
    plt.close()
    png = base64.b64encode(file.getvalue()).decode("ascii")
    forms = {"text/plain": description, "image/png": png}
    if "JPY_SESSION_NAME" in os.environ:  # set by Jupyter's server, not where notebooks are tested
        words = f"class='wm-figure' alt='{html.escape(description)}'"
        forms["text/html"] = f"{DARK}<img {words} src='data:image/png;base64,{png}'>"
    display(forms, metadata={"image/png": {"alt": description}}, raw=True)

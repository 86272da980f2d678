"""How the labs look: a style sheet for the light and the dark theme, in Okabe and Ito's colours."""

from wmlearn._display import BLUE, ORANGE, SKY, VERMILLION

LIGHT = {"--wm-good": BLUE, "--wm-bad": VERMILLION, "--wm-grey": "#707070", "--wm-other": "#007D5B"}
DARK = {"--wm-good": SKY, "--wm-bad": ORANGE, "--wm-grey": "#A8A8A8", "--wm-other": "#2FC79E"}
# What the style sheet takes from the notebook, for a picture on white paper.
PAPER = {
    **LIGHT,
    "--wm-text": "#212121",
    "--wm-back": "white",
    "--wm-faint": "#E0E0E0",
    "--jp-ui-font-family": "'DejaVu Sans'",
}


def _declare(colors: dict[str, str]) -> str:
    return " ".join(f"{name}: {color};" for name, color in colors.items())


# JupyterLab sets --jp-* for its theme; elsewhere the text colour of the page is taken as it is.
STYLE = f"""<style>
.wm-lab {{ --wm-text: var(--jp-ui-font-color1, currentColor);
  --wm-back: var(--jp-layout-color0, transparent);
  --wm-faint: var(--jp-border-color2, #8888); {_declare(LIGHT)}
  width: 1085px; max-width: 100%; overflow-x: auto;
  box-sizing: border-box; padding: 6px 10px; border: 1px solid var(--wm-faint);
  border-radius: 6px; }}
.wm-lab .wm-columns {{ flex-flow: row wrap; align-items: flex-start; gap: 0 16px;
  overflow: visible; }}
.wm-lab .wm-columns > * {{ flex: 1 1 300px; min-width: 0; }}
.wm-lab .wm-columns > :last-child {{ flex: 2 1 460px; max-width: 560px; overflow-x: auto; }}
.wm-lab .widget-hbox {{ flex-wrap: wrap; }}
.wm-lab .widget-toggle-buttons {{ display: flex; align-items: baseline; gap: 8px; }}
.wm-lab .widget-toggle-buttons > .widget-label {{ flex: none; }}
.wm-lab .widget-toggle-buttons > :last-child {{ flex: 0 1 auto; min-width: 0; }}
.wm-lab .widget-hbox > .widget-toggle-buttons:not(:first-child) {{ margin-left: 12px; }}
.wm-lab .widget-hbox > .widget-hslider {{ flex: 1 1 250px; }}
[data-jp-theme-light=false] .wm-lab {{ {_declare(DARK)} }}
.wm-lab .widget-html-content, .wm-lab .jupyter-widget-html-content {{ color: var(--wm-text);
  line-height: 1.4; }}
.wm-lab > * {{ max-width: 100%; }}
.wm-lab .widget-html-content, .wm-lab .jupyter-widget-html-content {{ min-width: 0; }}
.wm-lab p {{ margin: 2px 0; font-size: 14px; }}
.wm-lab .wm-small {{ font-size: 12px; }}
.wm-lab .wm-verdict {{ border-left: 4px solid var(--wm-faint); padding: 2px 10px;
  min-height: 104px; box-sizing: border-box; }}
.wm-lab .wm-verdict b {{ font-size: 17px; }}
.wm-lab sup {{ line-height: 0; font-size: 75%; }}
.wm-lab .wm-found {{ border-left-color: var(--wm-good); }}
.wm-chart {{ display: block; max-width: 100%; min-width: 420px; height: auto; }}
div.wm-chart > * {{ display: block; max-width: 100%; height: auto; }}
.wm-lab .wm-layers {{ display: grid; overflow: visible; }}
.wm-lab .wm-layers > * {{ grid-area: 1 / 1; }}
.wm-lab .wm-layers > :last-child {{ order: -1; }}
.wm-chart text {{ fill: var(--wm-text); font: 12px var(--jp-ui-font-family, sans-serif); }}
.wm-chart .wm-value {{ font-weight: bold; font-size: 13px; paint-order: stroke;
  stroke: var(--wm-back);
  stroke-width: 4px; }}
.wm-chart path {{ fill: none; stroke: var(--wm-text); }}
.wm-chart .wm-grid {{ stroke: var(--wm-faint); stroke-width: .6; }}
.wm-chart .wm-now {{ stroke-width: .8; opacity: .5; }}
.wm-chart .wm-curve {{ stroke: var(--wm-good); stroke-width: 2.5; }}
.wm-chart .wm-line {{ stroke: var(--wm-bad); stroke-width: 1.6; stroke-dasharray: 7 4; }}
.wm-chart .wm-explored {{ stroke: var(--wm-text); stroke-width: 1.3; stroke-dasharray: 2 4; }}
.wm-chart .wm-dot {{ fill: var(--wm-good); stroke: var(--wm-back); stroke-width: 1.5; }}
.wm-chart path.wm-counting {{ stroke: var(--wm-grey); stroke-width: 1.8; stroke-dasharray: 5 3; }}
.wm-chart path.wm-nulls {{ stroke: var(--wm-other); stroke-width: 1.8; stroke-dasharray: 9 3 2 3; }}
.wm-chart path.wm-end {{ fill: var(--wm-back); stroke-dasharray: none; }}
.wm-chart .wm-leader {{ stroke-width: .8; opacity: .5; }}
.wm-chart path.wm-task {{ stroke: var(--wm-good); stroke-width: 2.8; stroke-dasharray: 12 5; }}
.wm-chart path.wm-mark {{ stroke: var(--wm-bad); stroke-width: 2.8; }}
.wm-chart path.wm-task.wm-unmarked {{ stroke-width: 1.5; stroke-dasharray: 10 3 2 3; }}
.wm-chart path.wm-mark.wm-unmarked {{ stroke-width: 1.8; stroke-dasharray: 2 4; }}
.wm-chart circle.wm-task {{ fill: var(--wm-good); }}
.wm-chart circle.wm-mark {{ fill: var(--wm-bad); }}
.wm-chart path.wm-thin {{ stroke-width: 1.6; }}
.wm-chart path.wm-square {{ fill: var(--wm-bad); stroke: var(--wm-bad); stroke-width: 1.5; }}
.wm-chart path.wm-square.wm-hollow {{ fill: var(--wm-back); }}
.wm-chart path.wm-corner {{ fill: var(--wm-bad); fill-opacity: .15; stroke: none; }}
.wm-chart path.wm-bar {{ fill: var(--wm-good); stroke: none; }}
.wm-chart path.wm-target {{ fill: var(--wm-bad); stroke: var(--wm-text); stroke-width: 1.5; }}
.wm-lab .wm-three {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr));
  gap: 8px 16px; margin: 4px 0; }}
.wm-lab .wm-card {{ border-top: 3px dashed var(--wm-grey); padding: 2px; min-height: 122px;
  box-sizing: border-box; }}
.wm-lab .wm-card.wm-nulls {{ border-top-color: var(--wm-other); border-top-style: dotted; }}
.wm-lab .wm-card.wm-curve {{ border-top-color: var(--wm-good); border-top-style: solid; }}
.wm-lab .wm-card .wm-chart {{ display: inline-block; min-width: 34px; vertical-align: middle; }}
.wm-lab .wm-sixes {{ grid-template-columns: repeat(6, 1fr); }}
.wm-lab .wm-panels .wm-chart {{ min-width: 0; }}
.wm-lab .wm-code {{ margin: 2px 0; font: 12px/1.4 var(--jp-code-font-family, monospace);
  white-space: pre-wrap; word-break: normal;
  overflow-wrap: anywhere; color: var(--wm-text); }}
.wm-lab progress {{ width: 300px; max-width: 100%; height: 14px; vertical-align: middle;
  accent-color: var(--wm-good); }}
.wm-lab .wm-grid-of-questions {{ display: grid; gap: 5px 3px; list-style: none;
  margin: 4px 0 0; padding: 0; }}
.wm-lab .wm-grid-of-questions li {{ margin: 0; padding: 3px 0; border: 2px solid transparent;
  border-radius: 4px;
  font-size: 11px; line-height: 14px; text-align: center; overflow-wrap: anywhere; }}
.wm-lab .wm-grid-of-questions i {{ display: block; margin: 0 auto 2px;
  image-rendering: pixelated; }}
.wm-lab .wm-grid-of-questions .wm-match {{ border: 2px solid var(--wm-good); }}
.wm-lab .wm-grid-of-questions .wm-miss {{ border: 2px dashed var(--wm-bad); }}
.wm-lab .wm-grid-of-questions .wm-silent {{ border: 2px dotted var(--wm-text); }}
.wm-lab .wm-grid-of-questions .wm-later i {{ opacity: .3; }}
</style>"""
# A page of its own has no sign of JupyterLab's: it follows the system.
DARK_PAGE = f"@media (prefers-color-scheme: dark) {{ .wm-page .wm-lab {{ {_declare(DARK)} }} }}"

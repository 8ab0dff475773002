// Light, dark, or as the system has it.

const KEPT = "genvm-colours";
const dark = matchMedia("(prefers-color-scheme: dark)");

export function startTheme(select, changed) {
  const apply = () => {
    document.documentElement.dataset.theme = select.value || (dark.matches ? "dark" : "light");
    changed();
  };
  const kept = localStorage.getItem(KEPT);
  select.value = ["light", "dark"].includes(kept) ? kept : "";
  select.addEventListener("change", () => { localStorage.setItem(KEPT, select.value); apply(); });
  dark.addEventListener("change", apply);
  apply();
}

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

import { useEffect, useState } from "react";

export type Theme = "system" | "light" | "dark";
const NAME = "steerec.theme";

export function storedTheme(): Theme {
  const found = localStorage.getItem(NAME);
  return found === "light" || found === "dark" ? found : "system";
}

export function showTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

/** Light, dark, or as the system has it; kept in the browser. */
export function useTheme(): [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState(storedTheme);
  useEffect(() => {
    showTheme(theme);
    if (theme === "system") localStorage.removeItem(NAME);
    else localStorage.setItem(NAME, theme);
  }, [theme]);
  return [theme, setTheme];
}

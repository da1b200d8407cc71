// Before the first paint, so that nothing flashes: a page's script comes too late for that, and the
// server's policy allows none inside the page.
(() => {
  try {
    const theme = localStorage.getItem("buildplate.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // storage is switched off: the system's theme it is
  }
})();

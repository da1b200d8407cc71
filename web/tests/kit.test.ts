// The kit's promises, each in the browser's terms.
import { mount, type VueWrapper } from "@vue/test-utils";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { defineComponent, h, nextTick, ref } from "vue";

import { Problem } from "@/api/problem";
import { i18n, speak } from "@/i18n";
import AgeBadge from "@/ui/AgeBadge.vue";
import Button from "@/ui/Button.vue";
import ConfirmDialog from "@/ui/ConfirmDialog.vue";
import DataTable from "@/ui/DataTable.vue";
import ErrorNote from "@/ui/ErrorNote.vue";
import { useNotices } from "@/ui/notices";
import { usePending } from "@/ui/pending";
import ProgressBar from "@/ui/ProgressBar.vue";
import Skeleton from "@/ui/Skeleton.vue";
import TextField from "@/ui/TextField.vue";

const global = { plugins: [i18n] };
const shown: VueWrapper[] = [];
function show<W extends VueWrapper>(wrapper: W): W {
  shown.push(wrapper);
  return wrapper;
}

beforeAll(() => speak("en", false));
afterEach(() => {
  for (const wrapper of shown.splice(0)) wrapper.unmount();
  vi.useRealTimers();
});
async function settled(): Promise<void> {
  for (let round = 0; round < 5; round += 1) await nextTick();
}

describe("Button", () => {
  it("does nothing more while its action is being done, and keeps the focus", async () => {
    const onClick = vi.fn();
    const props = { pending: true, onClick };
    const button = show(mount(Button, { global, props, attachTo: document.body }));
    button.element.focus();
    await button.trigger("click");
    expect(onClick).not.toHaveBeenCalled();
    expect(document.activeElement).toBe(button.element);
    expect(button.attributes("aria-busy")).toBe("true");
  });
});

describe("usePending", () => {
  it("runs once at a time, and says what went wrong", async () => {
    const refused = new Problem(409, { code: "bed_not_clear", detail: "no", hint: "clear it" });
    let refuse: (reason: Problem) => void = () => undefined;
    const act = vi.fn(() => new Promise<void>((_, reject) => (refuse = reject)));
    const doing = usePending(act);
    const first = doing.run();
    expect(await doing.run()).toBe(false);
    expect(act).toHaveBeenCalledOnce();
    refuse(refused);
    expect(await first).toBe(false);
    expect(doing.problem.value).toBe(refused);
    expect(doing.pending.value).toBe(false);
  });

  it("does not hide a mistake of our own as a problem", async () => {
    const doing = usePending(() => Promise.reject(new RangeError("a mistake")));
    await expect(doing.run()).rejects.toThrow("a mistake");
  });
});

describe("ErrorNote", () => {
  const text = (problem: Problem) => show(mount(ErrorNote, { global, props: { problem } })).text();

  it("says what happened, what is safe and what to do", () => {
    const told = { code: "odd", detail: "the bed is full", hint: "Clear it." };
    const said = text(new Problem(409, told));
    expect(said).toContain("the bed is full");
    expect(said).toContain("Nothing was changed.");
    expect(said).toContain("Clear it.");
  });

  it("does not claim that nothing was changed where nobody answered", () => {
    const said = text(new Problem(0));
    expect(said).toContain("The server does not answer.");
    expect(said).not.toContain("Nothing was changed.");
  });

  it("knows that a question which failed has changed nothing", () => {
    const told = { code: "internal_error", detail: "it broke" };
    expect(text(new Problem(500, told, true))).toContain("Nothing was changed.");
    expect(text(new Problem(500, told))).not.toContain("Nothing was changed.");
  });

  it("words what people meet often in their language", async () => {
    await speak("de", false);
    const said = text(new Problem(401, { code: "login_failed", detail: "in English", hint: "x" }));
    await speak("en", false);
    expect(said).toContain("gehören nicht zusammen");
    expect(said).not.toContain("in English");
  });
});

describe("ConfirmDialog", () => {
  it("stays open with the reason where the action fails, and closes where it is done", async () => {
    const open = ref(true);
    const action = vi.fn<() => Promise<void>>();
    action.mockRejectedValueOnce(new Problem(409, { code: "x", detail: "it ended already" }));
    const parent = defineComponent(() => () => {
      const update = (now: boolean) => (open.value = now);
      const words = { title: "Cancel?", text: "The part is lost.", confirm: "Cancel the print" };
      return h(ConfirmDialog, { ...words, action, open: open.value, "onUpdate:open": update });
    });
    show(mount(parent, { global, attachTo: document.body }));
    await settled();
    const dialog = () => document.querySelector("[role=alertdialog]");
    const press = async (label: string) => {
      const buttons = dialog()?.querySelectorAll("button") ?? [];
      [...buttons].find((one) => one.textContent?.trim() === label)?.click();
      await settled();
    };
    expect(document.activeElement?.textContent?.trim()).toBe("Keep it");
    await press("Cancel the print");
    expect(open.value).toBe(true);
    expect(dialog()?.textContent).toContain("it ended already");
    action.mockResolvedValueOnce();
    await press("Cancel the print");
    expect(open.value).toBe(false);
    expect(action).toHaveBeenCalledTimes(2);
  });

  it("tells of a failure that comes after it was left, and forgets it there", async () => {
    const open = ref(true);
    let fail: (why: Problem) => void = () => undefined;
    const action = () => new Promise<void>((_, reject) => (fail = reject));
    const parent = defineComponent(() => () => {
      const update = (now: boolean) => (open.value = now);
      const words = { title: "Cancel Vase?", text: "It is lost.", confirm: "Cancel the print" };
      return h(ConfirmDialog, { ...words, action, open: open.value, "onUpdate:open": update });
    });
    show(mount(parent, { global, attachTo: document.body }));
    await settled();
    const buttons = () => [...document.querySelectorAll<HTMLElement>("[role=alertdialog] button")];
    const press = () => buttons().find((one) => one.textContent?.includes("Cancel"))?.click();
    press();
    await settled();
    document.activeElement?.dispatchEvent(
      new KeyboardEvent("keydown", { key: "Escape", bubbles: true }),
    );
    await settled();
    expect(open.value).toBe(false);
    fail(new Problem(409, { code: "x", detail: "it ended already" }));
    await settled();
    const { list, forget } = useNotices();
    expect(list.map((one) => [one.text, one.problem?.detail])).toEqual([
      ["Cancel Vase?", "it ended already"],
    ]);
    forget();
    // In the dialog nothing of it is left, however it is opened and closed.
    open.value = true;
    await settled();
    press();
    await settled();
    fail(new Problem(409, { code: "x", detail: "it ended already" }));
    await settled();
    expect(document.querySelector("[role=alertdialog]")?.textContent).toContain("it ended already");
    open.value = false;
    await settled();
    open.value = true;
    await settled();
    expect(document.querySelector("[role=alertdialog] [role=alert]")).toBeNull();
  });
});

describe("DataTable", () => {
  type Row = { name: string; grams: number | null };
  const rows: Row[] = [
    { name: "Printer 10", grams: null },
    { name: "Printer 2", grams: 40 },
    { name: "Printer 1", grams: 7 },
  ];
  const columns = [
    { key: "name", label: "Name", sortBy: (row: Row) => row.name },
    { key: "grams", label: "Left", numeric: true, sortBy: (row: Row) => row.grams },
  ];

  it("sorts as people count, up, down and not at all; what is unknown comes last", async () => {
    const table = show(
      mount(DataTable<Row>, {
        global,
        props: { caption: "Printers", columns, rows, rowKey: (row: Row) => row.name },
        slots: { "cell-name": (scope: { row: Row }) => scope.row.name },
      }),
    );
    const names = () => table.findAll("tbody tr").map((row) => row.text());
    const [byName, byGrams] = table.findAll("th button");
    expect(names()).toEqual(["Printer 10", "Printer 2", "Printer 1"]);
    await byName?.trigger("click");
    expect(names()).toEqual(["Printer 1", "Printer 2", "Printer 10"]);
    expect(table.find("th").attributes("aria-sort")).toBe("ascending");
    await byName?.trigger("click");
    expect(names()).toEqual(["Printer 10", "Printer 2", "Printer 1"]);
    await byGrams?.trigger("click");
    expect(names()).toEqual(["Printer 1", "Printer 2", "Printer 10"]);
    await byGrams?.trigger("click");
    expect(names()).toEqual(["Printer 2", "Printer 1", "Printer 10"]);
  });
});

describe("what is shown of numbers and time", () => {
  it("says an age from five seconds on", () => {
    const badge = (seconds: number | null) =>
      show(mount(AgeBadge, { global, props: { seconds } })).text();
    expect(badge(null)).toBe("");
    expect(badge(5)).toBe("");
    expect(badge(6)).toBe("6 s old");
    expect(badge(200)).toBe("3 min old");
  });

  it("shows no progress where nobody knows it", () => {
    const bar = show(mount(ProgressBar, { global, props: { value: null, label: "Progress" } }));
    expect(bar.attributes("aria-valuenow")).toBeUndefined();
  });

  it("shows a skeleton after 300 ms only", async () => {
    vi.useFakeTimers();
    const skeleton = show(mount(Skeleton, { global, props: { label: "Loading" } }));
    expect(skeleton.find("[aria-hidden]").exists()).toBe(false);
    await vi.advanceTimersByTimeAsync(310);
    expect(skeleton.find("[aria-hidden]").exists()).toBe(true);
  });

  it("keeps a failure until it is closed, and what was done for a while", async () => {
    vi.useFakeTimers();
    const notices = useNotices();
    notices.done("It is on hold.");
    notices.failed("It still prints.", new Problem(409, { code: "x", detail: "no" }));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(notices.list.map((one) => one.text)).toEqual(["It still prints."]);
    expect(notices.list[0]?.problem?.detail).toBe("no");
    notices.close(notices.list[0]?.id ?? 0);
    expect(notices.list).toEqual([]);
  });
});

describe("notices", () => {
  const notices = useNotices();
  const texts = () => notices.list.map((one) => one.text);
  afterEach(() => notices.forget());

  it("make room by what was done, never by what failed and nobody has seen", () => {
    const problem = new Problem(409, { code: "x", detail: "no" });
    notices.failed("failed 1", problem);
    notices.done("linked", { label: "Open", act: () => undefined });
    for (const text of ["done 1", "done 2", "done 3"]) notices.done(text);
    expect(texts()).toEqual(["failed 1", "linked", "done 2", "done 3"]);
    for (const text of ["failed 2", "failed 3", "failed 4", "failed 5"]) {
      notices.failed(text, problem);
    }
    expect(texts()).toEqual(["failed 1", "failed 2", "failed 3", "failed 4", "failed 5"]);
    notices.done("done 4");
    notices.done("done 5");
    expect(texts().slice(5)).toEqual(["done 5"]);
  });
});

describe("TextField", () => {
  it("tells a screen reader its label and what is wrong", () => {
    const props = { label: "Name", error: "It is taken.", modelValue: "ann" };
    const field = show(mount(TextField, { global, props }));
    const input = field.find("input");
    expect(field.find("label").attributes("for")).toBe(input.attributes("id"));
    expect(input.attributes("aria-invalid")).toBe("true");
    const about = input.attributes("aria-describedby");
    expect(field.find(`[id="${about}"]`).text()).toBe("It is taken.");
  });
});

// What is always there: the pages, the views of the farm, the parts of the settings, the actions
// that the person's role allows.
import {
  Check,
  FileUp,
  Keyboard,
  Languages,
  LogOut,
  Monitor,
  Moon,
  OctagonPause,
  Play,
  Plus,
  Printer,
  Settings,
  Sun,
} from "@lucide/vue";
import { useQuery } from "@tanstack/vue-query";
import { computed, type Component, type ComputedRef } from "vue";
import { useI18n } from "vue-i18n";
import { useRouter, type RouteLocationRaw } from "vue-router";

import { api, data } from "@/api/client";
import { PAGES } from "@/app/routes";
import { useSession, type Role } from "@/app/session";
import { useSignOut } from "@/app/sign-out";
import { THEMES, useTheme } from "@/app/theme";
import { LANGUAGES, speak, type Language } from "@/i18n";
import { VIEWS } from "@/pages/farm/farm-view";
import { SECTIONS } from "@/pages/settings/sections";

import type { Entry, Kind } from "./entry";

const THEME_ICONS = { system: Monitor, light: Sun, dark: Moon };

interface Wish {
  key: string;
  label: string;
  icon: Component;
  to?: RouteLocationRaw;
  act?: () => void;
  about?: string;
  words?: readonly string[];
  role?: Role;
}

/** Pages, views and settings, in the order in which they stand there. */
export function usePlaces(): ComputedRef<Entry[]> {
  const { t } = useI18n();
  const make = useMaker();
  return computed(() => [
    ...PAGES.filter((page) => page.meta?.nav).flatMap((page) =>
      make("page", {
        key: String(page.name),
        label: t(page.meta?.title ?? ""),
        icon: page.meta?.nav as Component,
        to: { name: String(page.name) },
      }),
    ),
    ...VIEWS.filter((view) => view !== "cards").flatMap((view) =>
      make("page", {
        key: `farm-${view}`,
        label: t("palette.farm_view", { view: t(`farm.view_${view}`) }),
        icon: PAGES[0]?.meta?.nav as Component,
        to: { name: "farm", query: { view } },
      }),
    ),
    ...SECTIONS.flatMap((section) =>
      make("setting", {
        key: String(section.name),
        label: t(section.meta?.title ?? ""),
        about: t("settings.title"),
        icon: Settings,
        to: { name: String(section.name) },
        ...(section.meta?.role ? { role: section.meta.role } : {}),
      }),
    ),
  ]);
}

/** The actions; `help` shows the keys. */
export function useActions(help: () => void): ComputedRef<Entry[]> {
  const { t, locale } = useI18n();
  const make = useMaker();
  const session = useSession();
  const theme = useTheme();
  const leave = useSignOut();
  const asked = useQuery({
    queryKey: ["queue", "stopped"],
    queryFn: () => data(api.GET("/api/v1/queue", { params: { query: { limit: 1 } } })),
    enabled: computed(() => session.covers("operator")),
  });
  // Only what can be done: nobody knows it before the server has said how the farm is.
  const farm = computed<Wish[]>(() => {
    if (asked.data.value === undefined) return [];
    const way = asked.data.value.stopped ? "release" : "stop";
    return [
      {
        key: `farm-${way}`,
        label: t(`queue.farm.${way}`),
        icon: way === "stop" ? OctagonPause : Play,
        to: { name: "queue", query: { farm: way } },
        role: "operator",
      },
    ];
  });
  const own = computed<Wish[]>(() => [
    ...THEMES.map((one) => ({
      key: `theme-${one}`,
      label: t("palette.theme", { theme: t(`shell.theme_${one}`) }),
      icon: one === theme.value ? Check : THEME_ICONS[one],
      act: () => (theme.value = one),
    })),
    ...Object.entries(LANGUAGES).map(([language, name]) => ({
      key: `language-${language}`,
      label: t("palette.language", { language: name }),
      icon: language === locale.value ? Check : Languages,
      words: ["Language", "Sprache"],
      act: () => void speak(language as Language),
    })),
    { key: "keys", label: t("keys.title"), icon: Keyboard, act: help },
    { key: "sign-out", label: t("shell.sign_out"), icon: LogOut, act: () => void leave() },
  ]);
  const work = computed<Wish[]>(() => [
    {
      key: "job-new",
      label: t("queue.new"),
      words: [t("job.title")],
      icon: Plus,
      to: { name: "queue", query: { new: "job" } },
      role: "operator",
    },
    {
      key: "upload",
      label: t("palette.upload"),
      icon: FileUp,
      to: { name: "files", query: { upload: "choose" } },
      role: "operator",
    },
    {
      key: "printer-add",
      label: t("printer-add.title"),
      icon: Printer,
      to: { name: "printer-add" },
      role: "admin",
    },
  ]);
  return computed(() =>
    [...work.value, ...farm.value, ...own.value].flatMap((wish) => make("action", wish)),
  );
}

/** Makes entries, none where the role does not cover it. */
function useMaker(): (kind: Kind, wish: Wish) => Entry[] {
  const session = useSession();
  const router = useRouter();
  return (kind, { key, label, icon, to, act, about = "", words = [], role }) => {
    if (role && !session.covers(role)) return [];
    return [
      {
        key: `${kind}:${key}`,
        kind,
        label,
        about,
        words: about ? [about, ...words] : words,
        icon,
        goes: to !== undefined,
        act: act ?? (() => void router.push(to ?? "/")),
      },
    ];
  };
}

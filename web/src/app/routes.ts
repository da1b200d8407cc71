// Every page: one entry each. A page with `nav` is in the navigation, in this order.
import { FolderOpen, Grid2x2, History, ListOrdered, Settings } from "@lucide/vue";
import type { Component } from "vue";
import type { RouteRecordRaw } from "vue-router";

import { SECTIONS } from "@/pages/settings/sections";

import type { KeyName } from "./keys/registry";
import type { Role } from "./session";

declare module "vue-router" {
  interface RouteMeta {
    /** The key of the page's title. */
    title: string;
    /** Shown without the shell and without a session. */
    open?: boolean;
    /** Its place in the navigation: an icon; the words are the title's. */
    nav?: Component;
    /** The keys that lead to it from everywhere. */
    keys?: KeyName;
    /** The role that it takes to see it at all; viewers see all others. */
    role?: Role;
  }
}

export const PAGES: RouteRecordRaw[] = [
  {
    path: "/",
    name: "farm",
    component: () => import("@/pages/farm/FarmPage.vue"),
    meta: { title: "farm.title", nav: Grid2x2, keys: "g f" },
  },
  {
    path: "/queue",
    name: "queue",
    component: () => import("@/pages/queue/QueuePage.vue"),
    meta: { title: "queue.title", nav: ListOrdered, keys: "g q" },
  },
  {
    path: "/jobs/:id",
    name: "job",
    component: () => import("@/pages/queue/JobPage.vue"),
    props: true,
    meta: { title: "job.title" },
  },
  {
    path: "/files",
    name: "files",
    component: () => import("@/pages/files/FilesPage.vue"),
    props: ({ query }) => ({ printer: String(query["printer"] ?? "") }),
    meta: { title: "files.title", nav: FolderOpen, keys: "g d" },
  },
  {
    path: "/files/:id/layers",
    name: "layers",
    component: () => import("@/pages/layers/LayersPage.vue"),
    props: true,
    meta: { title: "layers.title" },
  },
  {
    path: "/printers/add",
    name: "printer-add",
    component: () => import("@/pages/printer-add/AddPrinterPage.vue"),
    meta: { title: "printer-add.title", role: "admin" },
  },
  {
    path: "/printers/:id",
    name: "printer",
    component: () => import("@/pages/printer/PrinterPage.vue"),
    meta: { title: "printer.title" },
  },
  {
    path: "/history",
    name: "history",
    component: () => import("@/pages/history/HistoryPage.vue"),
    meta: { title: "history.title", nav: History, keys: "g h" },
  },
  {
    path: "/settings",
    name: "settings",
    redirect: { name: "settings-appearance" },
    component: () => import("@/pages/settings/SettingsPage.vue"),
    children: SECTIONS,
    meta: { title: "settings.title", nav: Settings, keys: "g s" },
  },
];

const OPEN: RouteRecordRaw[] = [
  {
    path: "/sign-in",
    name: "sign-in",
    component: () => import("@/pages/sign-in/SignInPage.vue"),
    meta: { title: "sign-in.title", open: true },
  },
  {
    path: "/setup",
    name: "set-up",
    component: () => import("@/pages/set-up/SetUpPage.vue"),
    meta: { title: "set-up.title", open: true },
  },
  {
    path: "/:rest(.*)*",
    name: "not-found",
    component: () => import("@/pages/not-found/NotFoundPage.vue"),
    meta: { title: "not-found.title" },
  },
];

export const ROUTES: RouteRecordRaw[] = [...PAGES, ...OPEN];

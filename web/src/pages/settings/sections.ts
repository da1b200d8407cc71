// The parts of the settings, in the order of their navigation; `role` hides what others cannot do.
import type { RouteRecordRaw } from "vue-router";

export const SECTIONS: RouteRecordRaw[] = [
  {
    path: "appearance",
    name: "settings-appearance",
    component: () => import("./AppearanceSection.vue"),
    meta: { title: "settings.appearance.title" },
  },
  {
    path: "account",
    name: "settings-account",
    component: () => import("./AccountSection.vue"),
    meta: { title: "settings.account.title" },
  },
  {
    path: "printers",
    name: "settings-printers",
    component: () => import("./PrintersSection.vue"),
    meta: { title: "settings.printers.title" },
  },
  {
    path: "places",
    name: "settings-places",
    component: () => import("./PlacesSection.vue"),
    meta: { title: "settings.places.title" },
  },
  {
    path: "users",
    name: "settings-users",
    component: () => import("./UsersSection.vue"),
    meta: { title: "settings.users.title", role: "admin" },
  },
  {
    path: "keys",
    name: "settings-keys",
    component: () => import("./KeysSection.vue"),
    meta: { title: "settings.keys.title", role: "admin" },
  },
  {
    path: "backups",
    name: "settings-backups",
    component: () => import("./BackupsSection.vue"),
    meta: { title: "settings.backups.title", role: "admin" },
  },
  {
    path: "audit",
    name: "settings-audit",
    component: () => import("./AuditSection.vue"),
    meta: { title: "settings.audit.title", role: "admin" },
  },
  {
    path: "about",
    name: "settings-about",
    component: () => import("./AboutSection.vue"),
    meta: { title: "settings.about.title" },
  },
];

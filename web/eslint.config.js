// The rules of the web UI's code; a rule that is off has its reason beside it.
import vue from "eslint-plugin-vue";
import ts from "typescript-eslint";

export default ts.config(
  { ignores: ["node_modules", "src/api/schema.ts"] },
  ...ts.configs.strict,
  ...vue.configs["flat/recommended"],
  {
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: [".vue"] } },
    rules: {
      "max-len": ["error", { code: 100, ignoreUrls: true }],
      "max-lines": ["error", 600],
      "no-console": "error",
      eqeqeq: "error",
      // Every word that a person reads comes from src/i18n, in both languages.
      "vue/no-bare-strings-in-template": [
        "error",
        { allowlist: ["·", "–", "—", "…", "/", "%", "°", "°C", ":", "(", ")", "×", "→"] },
      ],
      "vue/no-v-html": "error",
      "vue/component-api-style": ["error", ["script-setup"]],
      "vue/block-lang": ["error", { script: { lang: "ts" } }],
      "vue/define-props-declaration": "error",
      "vue/define-emits-declaration": "error",
      "vue/no-static-inline-styles": "error", // the server's policy allows none
      "vue/multi-word-component-names": "off", // Button and Dialog are the kit's own words
      "vue/require-default-prop": "off", // an optional prop's type says it: undefined
      "vue/max-attributes-per-line": "off", // lines have 100 columns; what fits stays on one
      "vue/singleline-html-element-content-newline": "off", // as above
      "vue/html-self-closing": ["error", { html: { void: "always" } }],
    },
  },
  { files: ["scripts/**"], rules: { "no-console": "off" } }, // they speak to a person
);

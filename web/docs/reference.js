// The reference of all operations: Swagger UI on the gateway's own document.

const here = new URL(".", import.meta.url);
let library = null; // promise of it; loaded with the first look

function load() {
  library ??= new Promise((resolve, reject) => {
    const style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = new URL("swagger-ui.css", here);
    const script = document.createElement("script");
    script.src = new URL("swagger-ui-bundle.js", here);
    script.onload = () => resolve(globalThis.SwaggerUIBundle);
    script.onerror = () => {
      library = null;
      reject(new Error("its program could not be loaded"));
    };
    document.head.append(style, script);
  });
  return library;
}

// Swagger UI has dark colors, by a class of the root.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

/**
 * Shows the reference in an element, and how that goes in another. get fetches
 * a path of the gateway with the credentials of now.
 */
export async function showReference(element, status, get, credentials) {
  status.textContent = "Loading…";
  try {
    const response = await get("/openapi.json");
    if (response.status === 401) throw new Error("the gateway wants to know who you are: see Credentials above");
    if (!response.ok) throw new Error(`the document was answered with ${response.status}`);
    const [spec, SwaggerUIBundle] = await Promise.all([response.json(), load()]);
    const root = document.createElement("div"); // a new one, for it leaves the old one as it is
    element.replaceChildren(root);
    SwaggerUIBundle({
      spec,
      domNode: root,
      validatorUrl: null, // asks nobody
      queryConfigEnabled: false,
      deepLinking: false, // the fragment is ours
      docExpansion: "list",
      defaultModelsExpandDepth: 0,
      persistAuthorization: false,
      requestInterceptor: (request) => {
        const field = credentials();
        if (field && !request.headers[field.name]) request.headers[field.name] = field.value;
        request.credentials = "omit";
        return request;
      },
    });
    status.textContent = "";
  } catch (err) {
    element.replaceChildren();
    status.textContent = `There is no reference: ${err.message}.`;
  }
}

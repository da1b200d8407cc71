// What runs on the graphics processor: it places vertices and gives lines their colour and light.
/** Ways to reach a point that have a colour: nothing, eight kinds, travel, and the bed's grid. */
export const COLOURS = 11;
export const BED = COLOURS - 1;

const VERTEX = `#version 300 es
layout(location = 0) in vec3 place;
layout(location = 1) in uvec2 about;
uniform mat4 view;
uniform vec3 ground;
uniform vec4 colours[${COLOURS}];
flat out vec4 colour;
void main() {
  gl_Position = view * vec4(place, 1.0);
  vec4 own = colours[about.x];
  colour = vec4(mix(ground, own.rgb, float(about.y) / 255.0), own.a);
}`;
// A line has what its last vertex says (WebGL's provoking vertex): what is not shown is let go.
const FRAGMENT = `#version 300 es
precision mediump float;
flat in vec4 colour;
out vec4 drawn;
void main() {
  if (colour.a == 0.0) discard;
  drawn = vec4(colour.rgb, 1.0);
}`;

/** Compile and link; throws where the driver can't. */
export function programOf(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(type);
    if (shader === null) throw new Error("no shader");
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    throw new Error(gl.getProgramInfoLog(program) ?? "no program");
  }
  return program;
}

/** A colour ("#rrggbb" or "#rgb") as the program takes it; one that is not shown has no weight. */
export function rgba(colour: string, shown: boolean): number[] {
  const wide = (colour.length - 1) / 3;
  const most = 16 ** wide - 1;
  const parts = [0, 1, 2].map((n) => parseInt(colour.slice(1 + n * wide, 1 + (n + 1) * wide), 16));
  return [...parts.map((part) => part / most), shown ? 1 : 0];
}

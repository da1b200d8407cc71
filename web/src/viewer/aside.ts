// Where a picture is drawn out of sight, until it is whole.
import type { Size } from "./flat";

export class Aside {
  readonly #gl: WebGL2RenderingContext;
  #frame: WebGLFramebuffer | null = null;
  #parts: WebGLRenderbuffer[] = [];
  #width = 0;
  #height = 0;

  constructor(gl: WebGL2RenderingContext) {
    this.#gl = gl;
  }

  /** Draw here from now on. */
  begin(size: Size): void {
    if (size.width !== this.#width || size.height !== this.#height) this.#make(size);
    this.#gl.bindFramebuffer(this.#gl.FRAMEBUFFER, this.#frame);
  }

  /** Bring what was drawn to the canvas. */
  show({ width, height }: Size): void {
    const gl = this.#gl;
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, this.#frame);
    gl.bindFramebuffer(gl.DRAW_FRAMEBUFFER, null);
    const all = [0, 0, width, height] as const;
    gl.blitFramebuffer(...all, ...all, gl.COLOR_BUFFER_BIT, gl.NEAREST);
  }

  #make({ width, height }: Size): void {
    const gl = this.#gl;
    gl.deleteFramebuffer(this.#frame);
    for (const part of this.#parts) gl.deleteRenderbuffer(part);
    this.#frame = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#frame);
    this.#parts = (
      [
        [gl.COLOR_ATTACHMENT0, gl.RGBA8],
        [gl.DEPTH_ATTACHMENT, gl.DEPTH_COMPONENT24],
      ] as const
    ).map(([place, format]) => {
      const part = gl.createRenderbuffer();
      gl.bindRenderbuffer(gl.RENDERBUFFER, part);
      gl.renderbufferStorage(gl.RENDERBUFFER, format, width, height);
      gl.framebufferRenderbuffer(gl.FRAMEBUFFER, place, gl.RENDERBUFFER, part);
      return part;
    });
    [this.#width, this.#height] = [width, height];
  }
}

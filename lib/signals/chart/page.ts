/** The size of a picture and of its letters. */

export const width = 1200;
export const height = 800;
/** Font sizes: on a phone the picture is a third as wide. */
export const sizes = { small: 28, medium: 30, large: 54 } as const;
export const margin = 28;

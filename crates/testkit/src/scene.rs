//! Scenes that the scripted model understands, as FFmpeg filters: what burns is pure red.

/// The place of the patch: the middle of one cell of the model's grid, as shares of the picture.
pub const PATCH: (f64, f64) = (136.0 / 320.0, 88.0 / 192.0);

/// A dark street where it burns from `from` to the end at `until`, in seconds.
pub fn fire(from: u32, until: u32) -> String {
    patch("red", (320, 192), from, until)
}

/// The same seen by a camera of twice the resolution.
pub fn large_fire(from: u32, until: u32) -> String {
    patch("red", (640, 384), from, until)
}

/// Draws a person who stands there from `from` to `until`.
pub fn person(from: u32, until: u32) -> String {
    patch("blue", (320, 192), from, until)
}

/// The same street with lamps that blink white and yellow, and nothing else.
pub fn quiet(until: u32) -> String {
    let lamp = |x: u32, colour: &str, phase: u32| {
        let when = format!("eq(mod(floor(t),2),{phase})");
        format!("drawbox=x={x}:y=80:w=32:h=32:color={colour}:t=fill:enable='{when}'")
    };
    format!("{},{},{}", street((320, 192), until), lamp(96, "white", 0), lamp(192, "yellow", 1))
}

fn patch(colour: &str, size: (u32, u32), from: u32, until: u32) -> String {
    let (x, y, side) = (size.0 * 128 / 320, size.1 * 80 / 192, size.0 * 16 / 320);
    let drawn = format!("x={x}:y={y}:w={side}:h={side}:color={colour}:t=fill");
    format!("{},drawbox={drawn}:enable='gte(t,{from})'", street(size, until))
}

fn street((width, height): (u32, u32), until: u32) -> String {
    format!("color=c=0x181818:size={width}x{height}:rate=10:duration={until}")
}

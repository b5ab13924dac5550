//! The free part of the screen, filled from top to bottom.
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Widget;

/// The screen; lines without room are left out.
pub struct Canvas<'a> {
    pub buffer: &'a mut Buffer,
    /// The area that is still free.
    area: Rect,
}

impl<'a> Canvas<'a> {
    pub fn new(frame: &'a mut Frame<'_>) -> Canvas<'a> {
        let area = frame.area();
        Canvas { buffer: frame.buffer_mut(), area }
    }

    pub fn width(&self) -> usize {
        usize::from(self.area.width)
    }

    /// Returns the number of free lines.
    pub fn left(&self) -> usize {
        usize::from(self.area.height)
    }

    /// Takes the next lines, or as many as there are.
    pub fn take(&mut self, lines: usize) -> Rect {
        let height = self.area.height.min(u16::try_from(lines).unwrap_or(u16::MAX));
        let taken = Rect { height, ..self.area };
        self.area.y += height;
        self.area.height -= height;
        taken
    }

    pub fn skip(&mut self, lines: usize) {
        self.take(lines);
    }

    pub fn line(&mut self, line: Line<'_>) {
        let area = self.take(1);
        line.render(area, self.buffer);
    }

    pub fn last_line(&mut self, line: Line<'_>) {
        if self.area.height > 0 {
            self.area.height -= 1;
            let area = Rect { y: self.area.bottom(), height: 1, ..self.area };
            line.render(area, self.buffer);
        }
    }
}

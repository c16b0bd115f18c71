// What differs between the kinds of tasks, as in pipeline/reports/by_task.py:
// figures(run), further figures at the top: [name, value, note]; answer(task) and quote(task, scores), texts; label(gallery, row), a text; prediction(run, gallery, row), elements;
// judged(run, gallery, split), the sections of a split; kinds(run, gallery), by what the map can be coloured: { names, of(row), colours }.
const TASKS = { classification: CLASSES, multilabel: LABELS, regression: NUMBERS };

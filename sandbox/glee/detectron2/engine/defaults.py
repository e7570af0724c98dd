"""The place in detectron2's engine where each test set is evaluated; the evaluator does all of it here."""


def inference_on_dataset(model, data_loader, evaluator):
    return evaluator.evaluate(model, data_loader)

